"""The scalar values of the language: names, addresses and numbers, each with its check.

A check returns the value, or raises an error with a sentence that tells what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from typing import Annotated, Any, NoReturn

from netorch.errors import did_you_mean
from netorch.language import names, schema_shapes
from netorch.language.addresses import Address, Interface, Network
from netorch.language.limits import IFNAMSIZ, LARGEST_MTU
from netorch.language.model import Before, Described, Plain, Refused
from netorch.language.schema_shapes import accepts
from netorch.version import LANGUAGE


def empty_list() -> list[Any]:
    """Return the default of a key that takes a list."""
    return []


def empty_dict() -> dict[Any, Any]:
    """Return the default of a key that takes a mapping."""
    return {}


def wrong(text: str, code: str = "bad-value") -> NoReturn:
    """Raise the error of a wrong value. `code` is a key of the table of error codes."""
    raise Refused(text, code)


_SHELL = set("\"'`\\;$*?&|<>(){}[]!")
# special characters, white space and invisible characters
_NO_LETTERS = (
    r"/:%\x22'`\\;$*?&|<>(){}\[\]!\s\x00-\x20\x7f-\xa0\xad"
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
)
INTERFACE = rf"(?!-)(?!(?:all|default|\.\.?)$)[^{_NO_LETTERS}]{{1,{IFNAMSIZ}}}"


@accepts(
    schema_shapes.text(
        INTERFACE,
        "interface name: at most 15 characters, without '/', ':', '%', white space and "
        "special characters of a shell",
        numbers=True,
    )
)
def interface_name(value: object) -> str:
    """Check the name of a link.

    It accepts what the kernel accepts (dev_valid_name in net/core/dev.c), except for names that
    break other tools.
    """
    name = _text(value, "an interface name")
    if not name or name in {".", ".."} or not _printable(name) or re.search(r"[\s/:%]", name):
        wrong(
            f"{name!r} cannot be an interface name: '/', ':', '%', white space, '.' and '..' are "
            "not allowed",
            "bad-name",
        )
    if _SHELL & set(name) or not _in_one_piece(name):
        wrong(
            f"{name!r} cannot be an interface name: quotes, special characters of a shell and "
            "combining accents are not allowed",
            "bad-name",
        )
    if len(name.encode()) > IFNAMSIZ:
        wrong(
            f"{name!r} is longer than the {IFNAMSIZ} bytes that an interface name can have",
            "bad-name",
        )
    if name in {"all", "default"}:
        wrong(
            f"{name!r} cannot be an interface name: /proc/sys/net/ipv4/conf/{name} is not for a "
            "single interface",
            "bad-name",
        )
    if name.startswith("-"):
        wrong(
            f"{name!r} cannot be an interface name: with '-' first, it would be an option",
            "bad-name",
        )
    return name


NODE = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}"
"""The name of a node, as a regular expression."""
_NODE_RULE = "use at most 63 letters, digits, '_', '.' and '-', with no '.' or '-' first"


@accepts(schema_shapes.text(NODE, f"node name: {_NODE_RULE}", numbers=True))
def node_name(value: object) -> str:
    """Check the name of a node, which becomes a file name in /run/netns."""
    name = _text(value, "a node name")
    if not re.fullmatch(NODE, name):
        wrong(f"{name!r} cannot be a node name: {_NODE_RULE}", "bad-name")
    return name


_MACHINE = rf"(?!(?:host|all)$){NODE}"


@accepts(schema_shapes.text(_MACHINE, f"machine name: {_NODE_RULE}", numbers=True))
def machine_name(value: object) -> str:
    """Check the name of a machine, whose host is the node `host.NAME`."""
    name = _text(value, "a machine name")
    if name in {"host", "all"}:
        means = "the machine itself" if name == "host" else "all machines to Ansible"
        wrong(f"{name!r} cannot be a machine name: it means {means}", "bad-name")
    if not re.fullmatch(NODE, name):
        wrong(f"{name!r} cannot be a machine name: {_NODE_RULE}", "bad-name")
    return name


END = f"{NODE}:{INTERFACE}"
"""An endpoint of a link, `NODE:IF`."""

_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*"


@accepts(schema_shapes.text(_HOSTNAME, "DNS name", numbers=True))
def host_name(value: object) -> str:
    """Check a DNS name (RFC 1123, but underscores are allowed)."""
    name = _text(value, "a name")
    if not re.fullmatch(_HOSTNAME, name):
        wrong(f"{name!r} is not a valid DNS name", "bad-name")
    return name


_PREFIX = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}"
_PREFIX_RULE = "use at most 32 letters, digits, '_', '.' and '-', with no '.' or '-' first"


@accepts(
    schema_shapes.text(names.TOPOLOGY, f"topology name: {names.TOPOLOGY_RULE}", "lab")
    | {"type": ["string", "integer"], "minimum": 0}
)
def topology_name(value: object) -> str:
    name = _text(value, "a topology name")
    try:
        return names.topology_name(name)
    except ValueError as error:
        wrong(str(error), "bad-topology-name")


@accepts(schema_shapes.text(_PREFIX, f"prefix: {_PREFIX_RULE}", "lab-", numbers=True))
def prefix_name(value: object) -> str:
    name = _text(value, "a prefix")
    if not re.fullmatch(_PREFIX, name):
        wrong(f"{name!r} cannot be a prefix: {_PREFIX_RULE}", "bad-name")
    return name


@accepts(schema_shapes.text(schema_shapes.IP, "IP address", "10.0.0.1", "fd00::1"))
def address(value: object) -> Address:
    text = _text(value, "an IP address")
    try:
        result = ip_address(text)
    except ValueError:
        wrong(f"{text!r} is not an IP address", "bad-address")
    return _without_zone(result, text)


@accepts(
    schema_shapes.text(
        f"{schema_shapes.IP}|{names.HOST_GATEWAY}",
        f"IP address or {names.HOST_GATEWAY}",
        "10.0.0.1",
        names.HOST_GATEWAY,
    )
)
def host_address(value: object) -> Address | str:
    """Parse an address for a hosts file. `host-gateway` is an address of the host."""
    return names.HOST_GATEWAY if value == names.HOST_GATEWAY else address(value)


@accepts(schema_shapes.text(schema_shapes.IP, "IP address", "10.0.0.1", "fd00::1"))
def router_address(value: object) -> Address | None:
    """Parse the address of a router. 0.0.0.0 means no router, as in the output of `route -n`."""
    result = address(value)
    return None if result == IPv4Address(0) else result


@accepts(
    schema_shapes.text(
        schema_shapes.PREFIX,
        "address with prefix length such as 10.0.0.1/24",
        "10.0.0.1/24",
        "fd00::1/64",
    )
)
def interface_address(value: object) -> Interface:
    """Parse an address with its prefix length, as a link has it."""
    text = _text(value, "an address with a prefix length")
    result = _interface(text)
    if "/" not in text:
        usual = 24 if result.version == 4 else 64
        like = f"write {result.ip}/{usual}, or the length of its subnet"
        wrong(f"{text!r} has no prefix length: {like}", "bad-address")
    return result


@accepts(schema_shapes.text(schema_shapes.SUBNET, "IP address", "10.0.0.5", "10.0.0.5/24"))
def member_address(value: object) -> tuple[Interface, bool]:
    """Parse an address with or without prefix length. The flag tells whether it has one."""
    text = _text(value, "an address")
    return _interface(text), "/" in text


_EXAMPLE_SUBNET = "subnet such as 10.0.0.0/24 or fd00::/64"


@accepts(schema_shapes.text(schema_shapes.SUBNET, _EXAMPLE_SUBNET, "10.0.0.0/24", "fd00::/64"))
def network(value: object) -> Network:
    """Parse a subnet, in which no bit to the right of its prefix length is set."""
    text = _text(value, "a subnet")
    try:
        result = ip_network(text, strict=False)
    except ValueError:
        wrong(f"{text!r} is not a {_EXAMPLE_SUBNET}", "bad-subnet")
    if str(result.network_address) != str(_without_zone(ip_interface(text).ip, text)):
        wrong(
            f"{text!r} has bits set to the right of its prefix length: write {result}",
            "bad-subnet",
        )
    return result


@accepts(
    schema_shapes.text(
        f"default|{schema_shapes.SUBNET}",
        "destination: `default`, a subnet or an address",
        "default",
        "10.1.0.0/16",
    )
)
def destination(value: object) -> Network | None:
    """Parse the destination of a route: None is `default`, an address is a single host."""
    text = _text(value, "a destination")
    if text != "default" and re.fullmatch("[A-Za-z_-]+", text):
        guess = did_you_mean(text, ("default",))
        rest = f". {guess}" if guess else ": write `default`, a subnet or an address"
        wrong(f"{text!r} is not a destination{rest}", "bad-subnet")
    if text in ("0.0.0.0", "::"):
        wrong(f"{text!r} is an address of no host: write `default`", "bad-subnet")
    return None if text == "default" else network(text)


_BYTES = "(?:[:-][0-9A-Fa-f]{2}){5}"
_MAC = f"[0-9A-Fa-f]{{2}}{_BYTES}"
_EXAMPLE_MAC = "02:00:00:00:00:01"


@accepts(
    schema_shapes.text(
        rf"(?!00(?:[:-]00){{5}}$)[0-9A-Fa-f][02468ACEace]{_BYTES}",
        "MAC address of one interface",
        _EXAMPLE_MAC,
    )
)
def mac(value: object) -> str:
    text = _mac_text(value, _EXAMPLE_MAC)
    if int(text[:2], 16) & 1:
        wrong(
            f"{value!r} is a multicast address: the first byte of an interface's MAC must be even",
            "bad-mac",
        )
    if text == "00:00:00:00:00:00":
        wrong("an interface cannot have the MAC address 00:00:00:00:00:00", "bad-mac")
    return text


@accepts(schema_shapes.text(_MAC, "MAC address", "00:00:00:00:00:00"))
def forwarding_mac(value: object) -> str:
    """Parse a MAC of a forwarding database: zeros mean all MACs without an entry."""
    return _mac_text(value, f"{_EXAMPLE_MAC}, or 00:00:00:00:00:00 for all MACs without an entry")


@accepts(schema_shapes.whole_number(0, 255, "inherit", "TTL: 0 to 255, or inherit"))
def ttl(value: object) -> int | str:
    """Parse a time to live, 0 to 255, or `inherit`."""
    return "inherit" if value == "inherit" else integer(0, 255)(value)


_SYSCTL = (
    r"net(?:(?:/(?!\.\.?(?:/|$))[A-Za-z0-9_.@:+-]+)+"
    r"|(?:\.(?!//?(?:\.|$))[A-Za-z0-9_@:+/-]+)+)"
)
"""A path with slashes; or with dots, in which `/` means a dot in a name."""


@accepts(
    schema_shapes.text(
        _SYSCTL,
        "sysctl of a network namespace such as net.ipv4.conf.all.rp_filter",
        "net.ipv4.ip_forward",
    )
)
def sysctl_name(value: object) -> str:
    """Return a sysctl's path below /proc/sys: `net/ipv4/ip_forward` for `net.ipv4.ip_forward`."""
    name = _text(value, "a sysctl")
    try:
        return names.sysctl_path(name)
    except ValueError as error:
        wrong(str(error), "bad-sysctl")


@accepts(
    schema_shapes.text(schema_shapes.FREE, numbers=True)
    | {"type": ["string", "number", "boolean"], "minimum": -(2**63)}
)
def sysctl_value(value: object) -> str:
    """Return a sysctl's value in the form in which the kernel shows it.

    Words have a single space between them, and numbers have no leading zeros.
    """
    if isinstance(value, bool):
        return str(int(value))
    words = _text(value, "a sysctl's value: write a number or a text").split()
    return " ".join(
        str(int(word)) if re.fullmatch(r"-?[0-9]{1,18}", word) else word for word in words
    )


_SETTING = "(?=_*[A-Za-z0-9])[A-Za-z0-9_]+"
_EXAMPLE_SETTING = "setting of an interface such as rp_filter"


@accepts(schema_shapes.text(_SETTING, _EXAMPLE_SETTING))
def setting_name(value: object) -> str:
    """Check the name of a file below /proc/sys/net/ipv4/conf/IF."""
    name = _text(value, "a setting")
    if not re.fullmatch(_SETTING, name):
        wrong(f"{name!r} is not a {_EXAMPLE_SETTING}", "bad-sysctl")
    return name


@accepts({"type": "boolean", "errorMessage": "This is neither true nor false."})
def boolean(value: object) -> bool:
    if not isinstance(value, bool):
        meant = {"yes": "true", "on": "true", "y": "true", "1": "true"}
        meant |= {"no": "false", "off": "false", "n": "false", "0": "false"}
        text = str(value).lower()
        right = f"{text}, without quotes" if text in ("true", "false") else meant.get(text)
        wrong(f"{value!r} is neither true nor false{f': write {right}' if right else ''}")
    return value


def integer(low: int, high: int) -> Callable[[object], int]:
    """Return a check for a whole number from `low` to `high`."""

    @accepts(schema_shapes.whole_number(low, high))
    def check(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}|0x[0-9a-fA-F]{1,16}", value):
            value = int(value, 0 if value.startswith("0x") else 10)
        if isinstance(value, bool) or not isinstance(value, int):
            digits = re.fullmatch(r"([0-9_,' ]+)(?:\.0*)?", str(value))
            whole = re.sub("[^0-9]", "", digits[1]) if digits else ""
            wrong(
                f"{value!r} is not a whole number{f': write {whole}' if whole else ''}",
                "bad-number",
            )
        if not low <= value <= high:
            wrong(f"{value} is not between {low} and {high}", "bad-number")
        return value

    return check


@accepts(
    schema_shapes.text(str(LANGUAGE), f"version of the topology language, {LANGUAGE}")
    | {"type": ["integer", "string"], "minimum": LANGUAGE, "maximum": LANGUAGE}
)
def language_version(value: object) -> int:
    """Check the version of the topology language in which a file is written."""
    if isinstance(value, bool) or str(value) != str(LANGUAGE):
        wrong(
            f"{value!r} is not a version of the topology language: write {LANGUAGE}, or leave it "
            "out",
            "bad-version",
        )
    return LANGUAGE


LanguageVersion = Annotated[int, Before(language_version)]


def centiseconds(low: int, high: int) -> Callable[[object], int]:
    """Return a check for a time of a bridge. Its result is in centiseconds.

    A plain number means centiseconds, as in `ip link`; `15s` and `500ms` have a unit.
    """
    number = integer(low, high)
    seconds, milliseconds = (
        schema_shapes.decimal(low // 100, high // 100),
        schema_shapes.decimal(low * 10, high * 10 + 9),
    )
    units = rf"0*{seconds}(?:\.[0-9]{{1,2}})?s|0*{milliseconds}(?:\.[0-9]{{1,2}})?ms"

    @accepts(
        schema_shapes.whole_number(
            low, high, units, f"time between {low} and {high} centiseconds, such as {high // 100}s"
        )
    )
    def check(value: object) -> int:
        if isinstance(value, str) and (
            match := re.fullmatch(r"([0-9]{1,9})(?:\.([0-9]{1,2}))?(s|ms)", value)
        ):
            whole, fraction, unit = match.groups()
            scaled = int(whole) * 100 + int((fraction or "").ljust(2, "0"))
            value = scaled if unit == "s" else scaled // 1000
        try:
            return number(value)
        except Refused:
            wrong(
                f"{value!r} is not a time between {low} and {high} centiseconds, the unit of "
                "`ip link`: write for example 1500 or 15s for 15 seconds",
                "bad-time",
            )

    return check


@accepts(schema_shapes.each_of)
def one_or_many(value: object) -> object:
    """Return a list: a single value becomes a list with this value."""
    return value if isinstance(value, list) or value is None else [value]


@accepts({"type": ["string", "number"], "pattern": f"^{schema_shapes.FREE}$"})
def plain_text(value: object) -> str:
    return _text(value, "a text")


@accepts({"type": ["string", "number"], "pattern": f"^{schema_shapes.FREE}$", "minLength": 1})
def line_text(value: object) -> str:
    """Check a text of one line, and return it with single spaces between its words."""
    text = str(value) if isinstance(value, float) else _text(value, "a text")
    if not text.strip() or not _printable(text):
        wrong(f"{text!r} is not one line of printable text", "bad-description")
    return " ".join(text.split())


InterfaceName = Annotated[str, Before(interface_name)]
NodeName = Annotated[str, Before(node_name)]
MachineName = Annotated[str, Before(machine_name)]
HostName = Annotated[str, Before(host_name)]
TopologyName = Annotated[str, Before(topology_name)]
Prefix = Annotated[str, Before(prefix_name)]
IPAddress = Annotated[Address, Plain(address)]
HostAddress = Annotated[Address | str, Plain(host_address)]
Gateway = Annotated[Address, Plain(router_address)]
InterfaceAddress = Annotated[Interface, Plain(interface_address)]
MemberAddress = Annotated[tuple[Interface, bool], Plain(member_address)]
Subnet = Annotated[Network, Plain(network)]
Destination = Annotated[Network | None, Plain(destination)]
Mac = Annotated[str, Before(mac)]
ForwardingMac = Annotated[str, Before(forwarding_mac)]
Ttl = Annotated[int | str, Plain(ttl)]
SysctlName = Annotated[str, Before(sysctl_name)]
SettingName = Annotated[str, Before(setting_name)]
SysctlValue = Annotated[str, Before(sysctl_value)]
Text = Annotated[str, Before(plain_text)]
Line = Annotated[str, Before(line_text)]
Flag = Annotated[bool, Before(boolean)]
Mtu = Annotated[int, Before(integer(68, 65535)), Described("Bytes, 68 to 65535.")]
AnyMtu = Annotated[
    int,
    Before(integer(68, LARGEST_MTU)),
    Described(f"Bytes, 68 to {LARGEST_MTU}."),
]
U32 = Annotated[int, Before(integer(0, 2**32 - 1))]
Table = Annotated[int, Before(integer(1, 2**32 - 1)), Described("Routing table, 254 is main.")]


def _text(value: object, what: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        wrong(f"the value is empty: write {what}" if value is None else f"{value!r} is not {what}")
    return str(value)


def _mac_text(value: object, such_as: str) -> str:
    """Return a MAC address in the kernel's notation."""
    text = _text(value, "a MAC address")
    if not re.fullmatch(_MAC, text):
        wrong(f"{value!r} is not a MAC address such as {such_as}", "bad-mac")
    return text.lower().replace("-", ":")


def _in_one_piece(text: str) -> bool:
    """Return whether the text has no combining accents that a single character could contain."""
    if text.isascii():
        return True
    from unicodedata import is_normalized

    return is_normalized("NFC", text)


def _printable(text: str) -> bool:
    return text.isprintable() and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _interface(text: str) -> Interface:
    try:
        result = ip_interface(text)
    except ValueError:
        wrong(f"{text!r} is not an IP address such as 10.0.0.1/24 or fd00::1/64", "bad-address")
    if "%" in text:
        wrong(
            f"{text!r} has a zone: write the address alone, because its interface is known",
            "bad-address",
        )
    ip, network = result.ip, result.network
    if ip.is_multicast:
        wrong(f"{text!r} is a multicast address: an interface cannot have it", "bad-address")
    if ip.is_unspecified:
        wrong(f"{text!r} is the unspecified address: an interface cannot have it", "bad-address")
    if result.version == 4 and network.prefixlen < 31:
        if ip == network.network_address:
            wrong(
                f"{text!r} is the network address of {network}: a host needs an address between "
                "it and the broadcast address",
                "bad-address",
            )
        if ip == network.broadcast_address:
            wrong(f"{text!r} is the broadcast address of {network}", "bad-address")
    return result


def _without_zone(value: Address, text: str) -> Address:
    if isinstance(value, IPv6Address) and value.scope_id is not None:
        wrong(
            f"{text!r} has a zone: write the address alone, and the interface as `dev`",
            "bad-address",
        )
    return value
