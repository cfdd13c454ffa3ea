"""Encode and decode the rules of iptables that netorch writes (linux/netfilter/x_tables.h)."""

from __future__ import annotations

import ctypes
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, NamedTuple

from netorch.errors import KernelRefused, Problem
from netorch.firewall.iptables import TableKey
from netorch.kernel.firewall.iptc_library import dnat_revision, library, title


class _Value(NamedTuple):
    negated: bool
    text: str


class _Match(NamedTuple):
    """The functions for one match of iptables."""

    revision: int
    """The version of the match's structure."""
    encode: Callable[[dict[str, _Value]], bytes]
    """Encodes the options."""
    decode: Callable[[bytes], str | None]
    """Decodes the structure to options. Returns None for a structure that netorch never writes."""


_INV_IN, _INV_OUT, _INV_SOURCE, _INV_DESTINATION, _INV_FRAGMENT, _INV_PROTOCOL = (
    0x01,
    0x02,
    0x08,
    0x10,
    0x20,
    0x40,
)
_INV_PORT_SOURCE, _INV_PORT_DESTINATION = 1, 2
_PROTOCOLS = {
    "tcp": 6,
    "udp": 17,
    "sctp": 132,
    "icmp": 1,
    "ipv6-icmp": 58,
    "esp": 50,
    "ah": 51,
    "gre": 47,
}
_PROTOCOL_NAMES = {number: name for name, number in _PROTOCOLS.items()}
_IP = {
    4: struct.Struct("=4s4s4s4s16s16s16s16sHBB"),
    6: struct.Struct("=16s16s16s16s16s16s16s16sHxBBxxx"),
}
"""struct ipt_ip and ip6t_ip6: addresses, masks, interfaces, interface masks, protocol, flags,
inverse flags.
"""

_GOTO = {4: 0x02, 6: 0x04}
_ALIGN = ctypes.alignment(ctypes.c_uint64)
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_UNSET = _Value(False, "")


def entry_of(key: TableKey, text: str) -> ctypes.Array[ctypes.c_char]:
    """Encode a rule `-s … -j …` as struct ipt_entry or struct ip6t_entry.

    A rule without `-j` has no verdict: packets continue with the next rule. Raise KernelRefused if
    netorch cannot encode the rule.
    """
    version = key[0]
    header = dict.fromkeys(("-s", "-d", "-i", "-o", "-p"), _UNSET)
    extensions: list[tuple[str, dict[str, _Value]]] = []
    current: dict[str, _Value] = {}
    target_name, target_options, goto = "", current, False
    words = (plain or re.sub(r"\\(.)", r"\1", quoted) for quoted, plain in _TOKEN.findall(text))
    try:
        for word in words:
            negated = word == "!"
            option = next(words) if negated else word
            value = _Value(negated, "" if option in _FLAGS else next(words))
            if option in ("-m", "-j", "-g"):
                current = {}
            if option == "-m":
                extensions.append((value.text, current))
            elif option in ("-j", "-g"):
                target_name, target_options, goto = value.text, current, option == "-g"
            elif option in header:
                header[option] = value
            else:
                current[option] = value
        matches = b"".join(
            _packed(name, MATCHES[name].revision, MATCHES[name].encode(options))
            for name, options in extensions
        )
        target = _packed_target(version, target_name, target_options)
        raw = _packed_header(version, header, len(matches), len(target), goto) + matches + target
    except (KeyError, ValueError, IndexError, RuntimeError, StopIteration, struct.error) as error:
        raise KernelRefused(
            Problem(
                "rule-not-expressible",
                f"{title(key)}: netorch cannot encode the rule {text!r} ({error!r}).",
                object=title(key),
            )
        ) from error
    return ctypes.create_string_buffer(raw, len(raw))


def _packed_header(
    version: int, header: Mapping[str, _Value], matches: int, target: int, goto: bool
) -> bytes:
    (source, source_mask), (destination, destination_mask) = (
        _network(version, header[option].text) for option in ("-s", "-d")
    )
    iif, oif = (header[option].text.encode() for option in ("-i", "-o"))
    protocol = header["-p"].text
    bits = (
        ("-i", _INV_IN),
        ("-o", _INV_OUT),
        ("-s", _INV_SOURCE),
        ("-d", _INV_DESTINATION),
        ("-p", _INV_PROTOCOL),
    )
    ip = _IP[version].pack(
        source,
        destination,
        source_mask,
        destination_mask,
        iif,
        oif,
        *(b"\xff" * (len(name) + 1) if name else b"" for name in (iif, oif)),
        _PROTOCOLS.get(protocol) or int(protocol or 0),
        (1 if version == 6 and protocol else 0) | goto * _GOTO[version],  # IP6T_F_PROTO
        sum(bit for option, bit in bits if header[option].negated),
    )
    iptc = library()
    size = ctypes.sizeof(iptc.ip4tc.ipt_entry if version == 4 else iptc.ip6tc.ip6t_entry)
    return (ip + struct.pack("=IHH", 0, size + matches, size + matches + target)).ljust(size, b"\0")


def unpacked_header(version: int, raw: bytes) -> tuple[bool, list[str]]:
    """Decode the header: whether the rule is a goto, and its addresses, interfaces and protocol."""
    values = _IP[version].unpack_from(raw)
    (
        source,
        destination,
        source_mask,
        destination_mask,
        iif,
        oif,
        iif_mask,
        oif_mask,
        protocol,
        flags,
        inverse,
    ) = values
    words = []
    for option, bit, address, mask in (
        ("-s", _INV_SOURCE, source, source_mask),
        ("-d", _INV_DESTINATION, destination, destination_mask),
    ):
        if any(mask) or inverse & bit:
            words.append(
                f"{negation(inverse & bit)}{option} {address_text(version, address)}"
                f"/{_prefix_length(version, mask)}"
            )
    for option, bit, name, mask in (
        ("-i", _INV_IN, iif, iif_mask),
        ("-o", _INV_OUT, oif, oif_mask),
    ):
        if any(mask):
            words.append(f"{negation(inverse & bit)}{option} {_interface(name, mask)}")
    if protocol or inverse & _INV_PROTOCOL:
        words.append(
            f"{negation(inverse & _INV_PROTOCOL)}-p {_PROTOCOL_NAMES.get(protocol, protocol)}"
        )
    if version == 4 and flags & 1:
        words.append(f"{negation(inverse & _INV_FRAGMENT)}-f")
    return bool(flags & _GOTO[version]), words


def negation(inverse: int) -> str:
    return "! " if inverse else ""


@lru_cache
def _network(version: int, text: str) -> tuple[bytes, bytes]:
    """Return address and mask of a network, packed."""
    network = IPv4Network(text or "0.0.0.0/0") if version == 4 else IPv6Network(text or "::/0")
    return network.network_address.packed, network.netmask.packed


@lru_cache
def address_text(version: int, packed: bytes) -> str:
    return str(IPv4Address(packed[:4]) if version == 4 else IPv6Address(packed))


def _prefix_length(version: int, mask: bytes) -> int | str:
    bits = f"{int.from_bytes(mask, 'big'):0{len(mask) * 8}b}"
    return address_text(version, mask) if "01" in bits else bits.count("1")


def _interface(name: bytes, mask: bytes) -> str:
    text, compared = name.partition(b"\0")[0], mask.rstrip(b"\0")
    # A name that is compared together with its NUL stands for one interface. Otherwise it stands
    # for all interfaces whose names begin with it.
    pattern = text[: len(compared)].decode(errors="replace") + (
        "+" if len(compared) <= len(text) else ""
    )
    return pattern if set(compared) == {0xFF} else f"{pattern}/{compared.hex()}"


def _packed(name: str, revision: int, data: bytes) -> bytes:
    """Encode struct xt_entry_match or struct xt_entry_target."""
    data += bytes(-len(data) % _ALIGN)
    return struct.pack("=H29sB", 32 + len(data), name.encode(), revision) + data


def extension(raw: bytes, offset: int) -> tuple[str, int, bytes]:
    """Return name, revision and data of the match or target at `offset`."""
    size, name, revision = struct.unpack_from("=H29sB", raw, offset)
    return name.partition(b"\0")[0].decode(), revision, raw[offset + 32 : offset + size]


def extensions_of(entry: Any, raw: bytes) -> Iterator[tuple[str, int, bytes]]:
    offset = ctypes.sizeof(entry)
    while offset < entry.target_offset:
        yield extension(raw, offset)
        offset += struct.unpack_from("=H", raw, offset)[0]


def comment_of(entry: Any, raw: bytes) -> str:
    return next(
        (
            data.partition(b"\0")[0].decode(errors="replace")
            for name, _, data in extensions_of(entry, raw)
            if name == "comment"
        ),
        "",
    )


# The matches that netorch writes (linux/netfilter/xt_*.h)


def quoted(text: str) -> str:
    """Quote a text as iptables-save does (xtables_save_string)."""
    return (
        text
        if re.fullmatch(r"[A-Za-z0-9_-]+", text)
        else '"' + re.sub(r"([\"\\'])", r"\\\1", text) + '"'
    )


def _encode_comment(options: dict[str, _Value]) -> bytes:
    return struct.pack("=255sx", options["--comment"].text.encode())


def _decode_comment(data: bytes) -> str:
    return f"--comment {quoted(data.partition(bytes(1))[0].decode(errors='replace'))}"


def _range(option: _Value | None) -> tuple[int, int, int]:
    """Return the first port, the last port, and 1 if the option is negated."""
    if option is None:
        return 0, 0xFFFF, 0
    first, _, last = option.text.partition(":")
    return int(first), int(last or first), int(option.negated)


def _ports(source: tuple[int, int], destination: tuple[int, int], inverse: int) -> str:
    words = []
    for option, (low, high), bit in (
        ("--sport", source, _INV_PORT_SOURCE),
        ("--dport", destination, _INV_PORT_DESTINATION),
    ):
        if (low, high) != (0, 0xFFFF) or inverse & bit:
            words.append(
                f"{negation(inverse & bit)}{option} {low}" + (f":{high}" if high != low else "")
            )
    return " ".join(words)


def _encode_ports(options: dict[str, _Value]) -> tuple[int, int, int, int, int]:
    """Return the source ports, the destination ports, and which of them are negated."""
    first, last, sources = _range(options.get("--sport"))
    low, high, targets = _range(options.get("--dport"))
    inverse = _INV_PORT_SOURCE * sources | _INV_PORT_DESTINATION * targets
    return first, last, low, high, inverse


def _encode_tcp(options: dict[str, _Value]) -> bytes:
    *ports, inverse = _encode_ports(options)
    return struct.pack("=4H4B", *ports, 0, 0, 0, inverse)


def _decode_tcp(data: bytes) -> str | None:
    a, b, c, d, option, mask, compare, inverse = struct.unpack_from("=4H4B", data)
    return None if option or mask or compare or inverse & ~3 else _ports((a, b), (c, d), inverse)


def _encode_udp(options: dict[str, _Value]) -> bytes:
    *ports, inverse = _encode_ports(options)
    return struct.pack("=4HBx", *ports, inverse)


def _decode_udp(data: bytes) -> str:
    a, b, c, d, inverse = struct.unpack_from("=4HB", data)
    return _ports((a, b), (c, d), inverse)


def _encode_sctp(options: dict[str, _Value]) -> bytes:
    first, last, low, high, inverse = _encode_ports(options)
    flags = ("--sport" in options) | ("--dport" in options) << 1
    if "--dport" not in options:
        low, high = 0, 0
    if "--sport" not in options:
        first, last = 0, 0
    return struct.pack("=4H276x2I", low, high, first, last, flags, inverse)


def _decode_sctp(data: bytes) -> str | None:
    a, b, c, d, flags, inverse = struct.unpack_from("=4H276x2I", data)
    full = (0, 0xFFFF)
    return (
        None
        if flags & ~3
        else _ports((c, d) if flags & 1 else full, (a, b) if flags & 2 else full, inverse & flags)
    )


_ANY_ICMP = 0xFF


def _encode_icmp(option: str) -> Callable[[dict[str, _Value]], bytes]:
    def encode(options: dict[str, _Value]) -> bytes:
        negated, text = options[option]
        return struct.pack("=4B", int(text), 0, 0xFF, negated)

    return encode


def decode_icmp(option: str, data: bytes) -> str | None:
    """Return the options of the match icmp or icmp6, None for a range of codes."""
    kind, first, last, inverse = struct.unpack_from("=4B", data)
    if kind == _ANY_ICMP and not inverse:
        return ""
    return (
        f"{negation(inverse)}{option} {kind}"
        if (first, last) == (0, 0xFF) and inverse <= 1
        else None
    )


def _encode_addrtype(options: dict[str, _Value]) -> bytes:
    negated, text = options["--dst-type"]
    if text != "LOCAL":
        raise ValueError(text)
    return struct.pack("=HHI", 0, 1 << 2, 2 * negated)


def _decode_addrtype(data: bytes) -> str | None:
    source, destination, flags = struct.unpack_from("=HHI", data)
    return (
        f"{negation(flags & 2)}--dst-type LOCAL"
        if not source and destination == 1 << 2 and not flags & ~2
        else None
    )


STATES = {
    "INVALID": 1,
    "NEW": 8,
    "RELATED": 4,
    "ESTABLISHED": 2,
    "UNTRACKED": 256,
    "SNAT": 64,
    "DNAT": 128,
}


def _encode_conntrack(options: dict[str, _Value]) -> bytes:
    negated, text = options["--ctstate"]
    return struct.pack(
        "=146x3H12x", 1, int(negated), sum(STATES[state] for state in text.split(","))
    )


def _decode_conntrack(data: bytes) -> str | None:
    flags, inverse, states = struct.unpack_from("=146x3H", data)
    if flags != 1 or inverse & ~1:
        return None
    return (
        f"{negation(inverse)}--ctstate "
        f"{','.join(name for name, bit in STATES.items() if states & bit)}"
    )


MATCHES = {
    "comment": _Match(0, _encode_comment, _decode_comment),
    "tcp": _Match(0, _encode_tcp, _decode_tcp),
    "udp": _Match(0, _encode_udp, _decode_udp),
    "sctp": _Match(0, _encode_sctp, _decode_sctp),
    "addrtype": _Match(1, _encode_addrtype, _decode_addrtype),
    "conntrack": _Match(3, _encode_conntrack, _decode_conntrack),
    **{
        name: _Match(0, _encode_icmp(option), partial(decode_icmp, option))
        for name, option in (("icmp", "--icmp-type"), ("icmp6", "--icmpv6-type"))
    },
}


# The targets that netorch writes (linux/netfilter/nf_nat.h)

_TO = {"DNAT": "--to-destination", "SNAT": "--to-source", "MASQUERADE": "--to-ports"}
_FLAGS = {"--random": 4, "--random-fully": 16, "--persistent": 8}
"""Options without a value, in the order of iptables-save, and their bits: NF_NAT_RANGE_….
PROTO_RANDOM, PROTO_RANDOM_FULLY and PERSISTENT.
"""
_REJECT = "REJECT"
_UNREACHABLE = {4: {"icmp-port-unreachable": 3}, 6: {"icmp6-port-unreachable": 4}}
"""IP version → the ICMP error with which netorch rejects, and its number (ipt_REJECT.h)."""
_MAP_IPS, PROTO_SPECIFIED = 1, 2
_PLACE = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9.]+)):([0-9]+)(?:-([0-9]+))?")


def _packed_target(version: int, name: str, options: dict[str, _Value]) -> bytes:
    if name == _REJECT:
        return _packed(
            name, 0, struct.pack("=I", _UNREACHABLE[version][options["--reject-with"].text])
        )
    if name not in _TO:
        return _packed(
            name, 0, bytes(4)
        )  # struct xt_standard_target; libiptc finds the verdict or the chain by name
    flags, packed, first, last = sum(_FLAGS[word] for word in _FLAGS.keys() & options), b"", "", ""
    if name == "MASQUERADE":
        text = options[_TO[name]].text if _TO[name] in options else ""
        first, _, last = text.partition("-")
    else:
        text = options[_TO[name]].text
        if match := _PLACE.fullmatch(text):
            text, first, last = match[1] or match[2], match[3], match[4] or ""
        packed = (IPv4Address if version == 4 else IPv6Address)(text).packed
        flags |= _MAP_IPS
    flags |= PROTO_SPECIFIED if first else 0
    ports = struct.pack(">HH", int(first or 0), int(last or first or 0))
    if name == "DNAT" and dnat_revision() == 2:
        return _packed(name, 2, struct.pack("=I16s16s4sxxxx", flags, packed, packed, ports))
    if version == 4:
        return _packed(name, 0, struct.pack("=II4s4s4s", 1, flags, packed, packed, ports))
    return _packed(
        name,
        0 if name == "MASQUERADE" else 1,
        struct.pack("=I16s16s4s", flags, packed, packed, ports),
    )


def unpacked_target(version: int, name: str, revision: int, data: bytes) -> str | None:
    """Return the options of a target, or None for a structure that netorch never writes."""
    if name != _REJECT:
        return unpacked_nat(version, name, revision, data)
    (number,) = struct.unpack_from("=I", data)
    words = {value: word for word, value in _UNREACHABLE[version].items()}
    return f"--reject-with {words[number]}" if number in words else None


def unpacked_nat(version: int, name: str, revision: int, data: bytes) -> str | None:
    """Return the options of a NAT target, or None for a structure that netorch never writes."""
    if name not in _TO:
        return None
    flags, low, high, ports = struct.unpack_from(
        "=4xI4s4s4s" if version == 4 and revision == 0 else "=I16s16s4s", data
    )
    masquerades = name == "MASQUERADE"
    if masquerades == bool(flags & _MAP_IPS):
        return None
    if flags & ~(_MAP_IPS | PROTO_SPECIFIED | sum(_FLAGS.values())):
        return None
    text = ""
    if not masquerades:
        text = address_text(version, low)
        text += f"-{address_text(version, high)}" if low != high else ""
    if flags & PROTO_SPECIFIED:
        first, last = struct.unpack(">HH", ports)
        text = f"[{text}]" if text and version == 6 else text
        text += f"{':' if text else ''}{first}{f'-{last}' if last != first else ''}"
    words = [f"{_TO[name]} {text}"] if text else []
    return " ".join([*words, *(word for word, bit in _FLAGS.items() if flags & bit)])
