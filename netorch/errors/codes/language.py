"""Codes of keys and values: what one key can say."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
LANGUAGE = Area(
    "Keys and values",
    (
        Code(
            "unknown-key",
            "There is no such key",
            "The mapping has a key that the language does not have there. A misspelt key would "
            "otherwise be ignored without a word.",
            "Correct the key: the error proposes the nearest one, or lists all.",
        ),
        Code(
            "missing-key",
            "A key is missing",
            "The mapping needs this key.",
            "Add it. The [language](language.md) says what it takes.",
        ),
        Code(
            "bad-value",
            "A value is not allowed",
            "The key does not take this value, or not beside the other keys of its mapping.",
            "The error says what would be right. The [language](language.md) has each key with "
            "its values.",
        ),
        Code(
            "not-one-of",
            "A value is not one of the allowed words",
            "The key takes one of a few words.",
            "Take one of the words that the error lists.",
        ),
        Code(
            "not-a-mapping",
            "A mapping is missing",
            "A mapping (`key: value` lines) is expected here, and the file has something else, or "
            "nothing.",
            "Write `key: value` entries, or `{}` for an empty mapping.",
        ),
        Code(
            "not-a-list",
            "A list is missing",
            "A list is expected here.",
            "Write `[a, b]`, or lines that begin with `- `.",
        ),
        Code(
            "not-two-ends",
            "A link does not have two ends",
            "A link connects exactly two interfaces.",
            "Write `[NODE:INTERFACE, NODE:INTERFACE]`. For more ends, make a network.",
        ),
        Code(
            "no-name",
            "The topology has no name",
            "The name of a topology is its `name:`, or else that of its file. A text and standard "
            "input have no file name.",
            "Add `name:` to the file, or use `--name`.",
        ),
        Code(
            "bad-topology-name",
            "Not a name of a topology",
            "The name of a topology has lower-case letters, digits and inner hyphens, 32 at most.",
            "Rename it. If the name comes from the file's name, add `name:` to the file.",
        ),
        Code(
            "bad-name",
            "Not a valid name",
            "Names of interfaces have at most 15 bytes, without `/`, `:`, `%`, white space and "
            "what a shell reads. Names of nodes have letters, digits, `_`, `.` and `-`, 63 at "
            "most.",
            "Rename it.",
        ),
        Code(
            "bad-address",
            "Not a valid IP address",
            "The value is not an IP address, lacks its prefix length, or is an address that an "
            "interface cannot have: a multicast, network or broadcast address.",
            "Write for example `10.0.0.1/24` or `fd00::1/64`.",
        ),
        Code(
            "bad-subnet",
            "Not a valid subnet",
            "The value is not a subnet, or has bits to the right of its prefix length.",
            "Write the first address of the subnet, such as `10.0.0.0/24`.",
        ),
        Code(
            "bad-mac",
            "Not a valid MAC address",
            "A MAC address has six bytes. That of an interface has an even first byte and is not "
            "all zeros.",
            "Write for example `02:00:00:00:00:01`.",
        ),
        Code(
            "bad-number",
            "Not a valid number",
            "The value is not a whole number, or it is outside of what the key takes.",
            "Take a number between the two that the error says.",
        ),
        Code(
            "bad-time",
            "Not a valid time",
            "A time of an impairment needs a unit (`s`, `ms`, `us`, `ns`). A plain number as a "
            "time of a bridge counts hundredths of a second.",
            "Write for example `10ms` or `15s`.",
        ),
        Code(
            "bad-percentage",
            "Not a valid percentage",
            "The value has no `%`, or is more than 100%.",
            "Write for example `0.1%`.",
        ),
        Code(
            "bad-rate",
            "Not a valid rate",
            "A rate needs a unit: `bit`, `kbit`, `mbit`, `gbit` or `tbit`, from 8bit to 1tbit. "
            "`mbps` would be bytes.",
            "Write for example `100mbit`. Leave `rate` out where there is no limit.",
        ),
        Code(
            "bad-port",
            "Not a valid port",
            "A published port is `[HOST_IP:]PORT:PORT[/PROTO]`, a range goes from a smaller to a "
            "larger port, and two ranges have the same length.",
            "Write for example `8080:80`, `127.0.0.1:8080:80` or `8000-8010:8000-8010/udp`.",
        ),
        Code(
            "bad-sysctl",
            "Not a sysctl of a network namespace",
            "Only the sysctls below `net.` belong to a namespace. The others are those of the "
            "whole machine.",
            "Write for example `net.ipv4.conf.all.rp_filter`. `sysctl -a` lists the names.",
        ),
        Code(
            "bad-wireguard-key",
            "Not a key of WireGuard",
            "A public key has 44 letters that end in `=`. Private keys never stand in the file: "
            "there, a key is the path of its file.",
            "`wg genkey > FILE` makes a private key, `wg pubkey < FILE` prints its public one.",
        ),
        Code(
            "unknown-kind",
            "There is no such kind of interface",
            "`kind` is not the name of a kind of interface.",
            "Take one of the [kinds of interfaces](kinds.md).",
        ),
        Code(
            "bad-attach",
            "`attach` is wrong",
            "`attach` takes `netns:NAME`, `pid:NUMBER`, `path:PATH`, `docker:NAME` or "
            "`podman:NAME`. The node `host` is the namespace that netorch runs in, so it attaches "
            "to nothing.",
            "Correct the value, or delete it.",
        ),
        Code(
            "bad-description",
            "A description is wrong",
            "A description is one line of printable text. It is stored in the alias of the link, "
            "so it has to fit beside netorch's own mark, and cannot begin with `peer=`, `uplink=` "
            "or `from=`.",
            "Shorten or reword it.",
        ),
        Code(
            "bad-end",
            "Not an end of a link",
            "An end is `NODE:INTERFACE`. `netorch explain` takes `NODE`, `NODE:INTERFACE` or an "
            "address.",
            "Write for example `r1:eth0`.",
        ),
    ),
)
