"""Codes for single keys and their values."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
LANGUAGE = Area(
    "Keys and values",
    (
        Code(
            "unknown-key",
            "There is no such key",
            "The mapping has a key that the language does not define there. netorch refuses it, "
            "because it would silently ignore a misspelt key otherwise.",
            "Correct the key: the error suggests the most similar one, or lists all of them.",
        ),
        Code(
            "missing-key",
            "A key is missing",
            "The mapping needs this key.",
            "Add it. The [language reference](language.md) describes its values.",
        ),
        Code(
            "bad-value",
            "A value is not allowed",
            "The key does not allow this value, or does not allow it together with the other keys "
            "of its mapping.",
            "The error describes the allowed values. The [language reference](language.md) lists "
            "each key with its values.",
        ),
        Code(
            "not-one-of",
            "A value is not one of the allowed words",
            "The key takes only certain words.",
            "Use one of the words that the error lists.",
        ),
        Code(
            "not-a-mapping",
            "A value is not a mapping",
            "The key takes a mapping (`key: value` lines), and the file has something else there, "
            "or nothing.",
            "Write `key: value` entries, or `{}` for an empty mapping.",
        ),
        Code(
            "not-a-list",
            "A value is not a list",
            "The key takes a list, and the file has something else there, or nothing.",
            "Write `[a, b]`, or lines that begin with `- `.",
        ),
        Code(
            "not-two-ends",
            "A link does not have two ends",
            "A link connects exactly two interfaces.",
            "Write `[NODE:INTERFACE, NODE:INTERFACE]`. To connect more interfaces, use a network.",
        ),
        Code(
            "no-name",
            "The topology has no name",
            "The name of a topology is its `name:`, or else the name of its file. A text and "
            "standard input have no file name.",
            "Add `name:` to the file, or use `--name`.",
        ),
        Code(
            "bad-topology-name",
            "A topology's name is not valid",
            "The name of a topology has at most 32 characters: lower-case letters, digits, and "
            "hyphens that are neither the first nor the last character.",
            "Rename it. If the name comes from the file's name, add `name:` to the file.",
        ),
        Code(
            "bad-name",
            "A name is not valid",
            "The name of an interface has at most 15 bytes, without `/`, `:`, `%`, white space "
            "and characters that are special in a shell. The name of a node has at most 63 "
            "characters: letters, digits, `_`, `.` and `-`.",
            "Rename it.",
        ),
        Code(
            "bad-address",
            "An IP address is not valid",
            "The value is not an IP address, has no prefix length, or is an address that an "
            "interface cannot have: a multicast, network or broadcast address.",
            "Write for example `10.0.0.1/24` or `fd00::1/64`.",
        ),
        Code(
            "bad-subnet",
            "A subnet is not valid",
            "The value is not a subnet, or has bits to the right of its prefix length.",
            "Write the first address of the subnet, such as `10.0.0.0/24`.",
        ),
        Code(
            "bad-mac",
            "A MAC address is not valid",
            "A MAC address has six bytes. The address of an interface has an even first byte and "
            "is not all zeros.",
            "Write for example `02:00:00:00:00:01`.",
        ),
        Code(
            "bad-number",
            "A number is not valid",
            "The value is not a whole number, or it is outside the range of the key.",
            "Use a number in the range that the error shows.",
        ),
        Code(
            "bad-time",
            "A time is not valid",
            "A time of an impairment needs a unit (`s`, `ms`, `us`, `ns`). In the times of a "
            "bridge, a plain number means hundredths of a second.",
            "Write for example `10ms` or `15s`.",
        ),
        Code(
            "bad-percentage",
            "A percentage is not valid",
            "The value has no `%`, or is more than 100%.",
            "Write for example `0.1%`.",
        ),
        Code(
            "bad-rate",
            "A rate is not valid",
            "A rate needs a unit: `bit`, `kbit`, `mbit`, `gbit` or `tbit`, and is between 8bit and "
            "1tbit. Units such as `mbps` mean bytes per second.",
            "Write for example `100mbit`. For no limit, leave out `rate`.",
        ),
        Code(
            "bad-size",
            "A size is not valid",
            "A size is a number of bytes, with a unit of `tc` if it has one: `b`, `k`, `m` and `g` "
            "for bytes, `kbit`, `mbit` and `gbit`. It is between 1 byte and 4 GB.",
            "Write for example `32kbit`, or `5000`.",
        ),
        Code(
            "bad-port",
            "A port is not valid",
            "A published port is written `[HOST_IP:]PORT:PORT[/PROTO]`. A range goes from a "
            "smaller to a larger port, and two ranges have the same length.",
            "Write for example `8080:80`, `127.0.0.1:8080:80` or `8000-8010:8000-8010/udp`.",
        ),
        Code(
            "bad-sysctl",
            "A sysctl does not belong to a network namespace",
            "Only the sysctls below `net.` belong to a namespace. The others belong to the whole "
            "machine.",
            "Write for example `net.ipv4.conf.all.rp_filter`. `sysctl -a` lists the names.",
        ),
        Code(
            "bad-wireguard-key",
            "A WireGuard key is not valid",
            "A public key has 44 characters and ends in `=`. The topology file never contains a "
            "private key, only the path of the file that contains it.",
            "`wg genkey > FILE` makes a private key, `wg pubkey < FILE` prints its public key.",
        ),
        Code(
            "unknown-kind",
            "There is no such kind of interface",
            "`kind` is not the name of a kind of interface.",
            "Use one of the [kinds of interfaces](kinds.md).",
        ),
        Code(
            "bad-attach",
            "The value of `attach` is not valid",
            "`attach` takes `netns:NAME`, `pid:NUMBER`, `path:PATH`, `docker:NAME`, "
            "`podman:NAME` or `node:NAME`. The node `host` cannot have `attach`, because it is "
            "always the namespace that netorch runs in. With `node:NAME` a node shares the "
            "namespace of another node, which must be one that netorch makes.",
            "Correct the value, or delete it.",
        ),
        Code(
            "shared-namespace",
            "A node that shares a namespace has something of its own",
            "A node with `attach: node:NAME` is another name for the namespace of that node. "
            "Interfaces, networks, routes, settings and packet filters belong to the namespace, so "
            "only one of its nodes can have them.",
            "Write them under the other node, and its name in `links`.",
        ),
        Code(
            "bad-description",
            "A description or a label is not valid",
            "A `description` or `label` is one line of printable text. netorch stores a "
            "description in the alias of the link after its own mark, so its length is limited, "
            "and it cannot begin with `peer=`, `uplink=` or `from=`.",
            "Shorten or reword it.",
        ),
        Code(
            "bad-end",
            "An endpoint is not valid",
            "An endpoint of a link is written `NODE:INTERFACE`. An end of `netorch explain` is "
            "`NODE`, `NODE:INTERFACE` or an address.",
            "Write for example `r1:eth0`.",
        ),
    ),
)
