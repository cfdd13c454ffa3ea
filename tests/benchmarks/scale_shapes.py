"""The networks of the benchmark of growth, each with its file at any size.

`SCALED` has one entry for each: the size that is measured, the file, the file after one change, and
the bare netlink messages that make the same objects.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from tests.benchmarks import floor, raw, shapes
from tests.benchmarks.floor import FIRST_INDEX, GROUP, Place
from tests.benchmarks.raw import CREATE, EXCL, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE, attr, u32
from tests.benchmarks.shapes import Cable, Shape, member_address

RTM_NEWNEIGH, RTM_NEWRULE, APPEND = 28, 32, 0x800
AF_BRIDGE, NUD_PERMANENT, NTF_SELF = 7, 0x80, 2
IFLA_LINK, IFLA_AF_SPEC, IFLA_ADDRESS = 5, 26, 1
GATEWAY = bytes((10, 9, 255, 254))
KEY_FILE = "wireguard.key"
"""The private key of the WireGuard hub."""

Messages = list[bytes]
Places = Mapping[str, Place]
Batches = Sequence[tuple[str, Messages]]
"""(node, or "" for the host; messages), in their order."""


class Bare(NamedTuple):
    """The bare messages that make the objects of a shape."""

    nodes: tuple[str, ...]
    build: Callable[[Places], Batches]
    """Returns the messages, given the namespaces of the nodes."""


class Scaled(NamedTuple):
    """A network of any size."""

    size: int
    """The largest size that is measured."""
    quick: int
    """The size of a quick run."""
    text: Callable[[int, bool], str]
    """Returns the file of a size; with True the file after one change."""
    bare: Callable[[int], Bare] | None = None
    """Returns the floor of a size; None if there is none."""
    ruled: bool = False
    """Whether nft loads the packet filters as a part of the floor."""
    objects: str = "nodes"
    """What the size counts."""


def _names(size: int) -> tuple[str, ...]:
    return tuple(f"h{number}" for number in range(1, size + 1))


def _numbered(size: int, changed: bool) -> list[int]:
    """Return the numbers of the objects; the last one is another one after the change."""
    return [*range(1, size), size + 1 if changed else size]


def _lines(head: str, lines: Iterable[str]) -> str:
    return "".join([head, *(f"{line}\n" for line in lines)])


def _address(index: int, address: bytes, prefix: int) -> bytes:
    return floor.addressed(RTM_NEWADDR, CREATE | EXCL, index, address, prefix)


def _route(destination: bytes, prefix: int, via: bytes) -> bytes:
    payload = struct.pack("=BBBBBBBBI", 2, prefix, 0, 0, 254, 3, 0, 1, 0)
    to = attr(1, destination) if prefix else b""
    return raw.message(RTM_NEWROUTE, CREATE | EXCL, payload + to + attr(5, via))


def _link(index: int, name: str, kind: bytes, more: bytes = b"", data: bytes = b"") -> bytes:
    info = attr(18, attr(1, kind) + (attr(2, data) if data else b""))
    head = raw.link(0, 0, index, 0, 0) + raw.text(3, name) + GROUP
    return raw.message(RTM_NEWLINK, CREATE | EXCL, head + more + info)


def _bridge(index: int, name: str, data: bytes = b"") -> bytes:
    return _link(index, name, b"bridge", data=data)


# many nodes on one segment


def _members(network: str) -> Callable[[int, bool], str]:
    def text(size: int, changed: bool) -> str:
        def node(names: str, address: str) -> str:
            return f"  {names}: {{networks: {{lan: {{address: {address}}}}}}}\n"

        formula = '"10.9.$(i // 256).$(i % 256)/16"'
        nodes = node(f"h[1-{size}]", formula)
        if changed:
            nodes = node(f"h[1-{size - 1}]", formula)
            nodes += node(f"h{size}", f"{member_address(size + 5000)}/16")
        box = "  box: {}\n" if "node: box" in network else ""
        return f"name: scale\nnetworks:\n  lan: {{{network}}}\nnodes:\n{box}{nodes}"

    return text


def _one_segment(owner: str, gateway: bool) -> Callable[[int], Bare]:
    """Return the floor of a segment whose bridges are on the host, or in the node `owner`.

    With `gateway` the bridge has an address, and the members have a default route.
    """

    def bare(size: int) -> Bare:
        names = _names(size)

        def build(places: Places) -> Batches:
            first, interfaces, last = floor.segment(names, places)
            batches: list[tuple[str, Messages]] = [(owner, first)]
            for name in names:
                (one,) = interfaces[name]
                batches.append(
                    (
                        name,
                        [
                            raw.brought_up(1),
                            raw.brought_up(one.ifindex),
                            _address(one.ifindex, one.address, one.prefix),
                            *([_route(b"", 0, GATEWAY)] if gateway else []),
                        ],
                    )
                )
            if gateway:
                last = [_address(FIRST_INDEX, GATEWAY, 16), *last]
            return [*batches, (owner, last)]

        return Bare((*((owner,) if owner else ()), *names), build)

    return bare


# many cables


def _ring(size: int, changed: bool) -> str:
    one = shapes.ring(size)
    return (one.changed if changed else one.text).replace("name: ring", "name: scale")


def _chain_cables(size: int) -> tuple[Cable, ...]:
    return tuple(
        Cable(f"h{number}", "right", f"h{number + 1}", "left") for number in range(1, size)
    )


def _chain(size: int, changed: bool) -> str:
    """Return nodes in a line, each with a route to the far end."""
    subnets = [
        shapes.cable_subnet(number - 1 if number < size - 1 or not changed else number + 5000)
        for number in range(1, size)
    ]
    links = (
        f"  - {{endpoints: [h{number}:right, h{number + 1}:left], subnet: {subnet}}}"
        for number, subnet in enumerate(subnets, 1)
    )
    return _lines(f"name: scale\nnodes:\n  h[1-{size}]: {{forwarding: true}}\nlinks:\n", links)


def _own_nat(size: int, changed: bool) -> str:
    """Return a ring whose nodes masquerade."""
    out = "right" if not changed else "left"
    nodes = f"  h[1-{size - 1}]: {{nat: [{{masquerade: {{out: right}}}}]}}\n"
    nodes += f"  h{size}: {{nat: [{{masquerade: {{out: {out}}}}}]}}\n"
    links = [
        f"  - {{endpoints: [h{number}:right, h{number % size + 1}:left],"
        f" subnet: {shapes.cable_subnet(number - 1)}}}"
        for number in range(1, size + 1)
    ]
    return _lines(f"name: scale\nnodes:\n{nodes}links:\n", links)


def _cables(cables: Callable[[int], tuple[Cable, ...]]) -> Callable[[int], Bare]:
    def bare(size: int) -> Bare:
        network = Shape("", size, "", "", _names(size), cables=cables(size))

        def build(places: Places) -> Batches:
            made, interfaces = floor.cabled(network, places)
            finished = [
                (
                    name,
                    [
                        raw.brought_up(1),
                        *(
                            message
                            for one in interfaces[name]
                            for message in (
                                raw.brought_up(one.ifindex),
                                _address(one.ifindex, one.address, one.prefix),
                            )
                        ),
                    ],
                )
                for name in network.nodes
            ]
            return [*made.items(), *finished]

        return Bare(network.nodes, build)

    return bare


def _ring_cables(size: int) -> tuple[Cable, ...]:
    return tuple(
        Cable(f"h{number}", "right", f"h{number % size + 1}", "left")
        for number in range(1, size + 1)
    )


# many networks on one owner


def _networks(mode: str) -> Callable[[int, bool], str]:
    def text(size: int, changed: bool) -> str:
        def network(number: int) -> str:
            far = 100 * changed if number == size else 0
            return (
                f"  n{number}: {{mode: {mode}, node: box,"
                f" subnet: 10.{number // 256 + far}.{number % 256}.0/24}}"
            )

        networks = "\n".join(map(network, range(1, size + 1)))
        nodes = (f"  h{number}: {{networks: [n{number}]}}" for number in range(1, size + 1))
        return _lines(f"name: scale\nnetworks:\n{networks}\nnodes:\n  box: {{}}\n", nodes)

    return text


def _many_segments(gateway: bool) -> Callable[[int], Bare]:
    def bare(size: int) -> Bare:
        names = _names(size)

        def build(places: Places) -> Batches:
            first: Messages = [raw.brought_up(1)]
            batches: list[tuple[str, Messages]] = []
            last: Messages = []
            for number, name in enumerate(names, 1):
                bridge, cable = FIRST_INDEX + 2 * number, FIRST_INDEX + 2 * number + 1
                there = attr(raw.IFLA_NET_NS_FD, u32(places[name].netns)) + GROUP
                near = attr(raw.IFLA_MASTER, u32(bridge)) + GROUP
                first += [
                    _bridge(bridge, f"n{number}"),
                    raw.veth(cable, f"v{number}", near, FIRST_INDEX, "eth0", there),
                ]
                net = bytes((10, number // 256, number % 256))
                member = [raw.brought_up(1), raw.brought_up(FIRST_INDEX)]
                member.append(_address(FIRST_INDEX, net + b"\2", 24))
                if gateway:
                    last.append(_address(bridge, net + b"\1", 24))
                    member.append(_route(b"", 0, net + b"\1"))
                batches.append((name, member))
                last.append(raw.brought_up(bridge))
            return [("box", first), *batches, ("box", last)]

        return Bare(("box", *names), build)

    return bare


def _published(size: int, changed: bool) -> str:
    one = shapes.ports(size)
    return (one.changed if changed else one.text).replace("name: ports", "name: scale")


def _allow(size: int, changed: bool) -> str:
    """Return networks that all allow each other, except that the change removes one allowance."""
    names = [f"n{number}" for number in range(1, size + 1)]

    def allowed(name: str) -> str:
        others = [other for other in names if other != name]
        return ", ".join(others[1:] if changed and name == names[0] else others)

    networks = "\n".join(
        f"  {name}: {{mode: nat, node: box, subnet: 10.{number // 256}.{number % 256}.0/24,"
        f" allow: [{allowed(name)}]}}"
        for number, name in enumerate(names, 1)
    )
    nodes = (f"  h{number}: {{networks: [n{number}]}}" for number in range(1, size + 1))
    return _lines(f"name: scale\nnetworks:\n{networks}\nnodes:\n  box: {{}}\n", nodes)


# an overlay


def _vxlan(size: int, changed: bool) -> str:
    """Return endpoints on one segment, with one member each."""
    ends = ", ".join(f"h{number}: {member_address(number)}" for number in range(1, size + 1))
    last = f"10.8.{(size + 9) // 256}.{(size + 9) % 256}" if changed else ""
    nodes = [
        f'  h[1-{size}]: {{networks: {{lan: {{address: "10.9.$(i // 256).$(i % 256)/16"}}}}}}',
        *(
            f"  c{number}: {{networks: {{over: {{at: h{number}"
            + (f", address: {last}" if last and number == size else "")
            + "}}}"
            for number in range(1, size + 1)
        ),
    ]
    networks = (
        "  lan: {mode: segment, subnet: 10.9.0.0/16}\n"
        f"  over: {{driver: vxlan, vni: 42, subnet: 10.8.0.0/16, endpoints: {{{ends}}}}}\n"
    )
    return _lines(f"name: scale\nnetworks:\n{networks}nodes:\n", nodes)


def _tunnels(size: int) -> Bare:
    names = _names(size)
    members = tuple(f"c{number}" for number in range(1, size + 1))

    def mac(number: int) -> bytes:
        return bytes((2, 0, 0, 0, number >> 8, number & 255))

    def entry(index: int, address: bytes, end: int, flags: int) -> bytes:
        head = struct.pack("=BxxxiHBB", AF_BRIDGE, index, NUD_PERMANENT, NTF_SELF, 0)
        payload = attr(2, address) + attr(1, floor.on_segment(end))
        return raw.message(RTM_NEWNEIGH, CREATE | flags, head + payload)

    def build(places: Places) -> Batches:
        first, interfaces, last = floor.segment(names, places)
        batches: list[tuple[str, Messages]] = [("", first)]
        bridge, tunnel, port = FIRST_INDEX + 1, FIRST_INDEX + 2, FIRST_INDEX + 3
        for number, (name, member) in enumerate(zip(names, members, strict=True), 1):
            (one,) = interfaces[name]
            data = attr(1, u32(42)) + attr(4, one.address)
            data += attr(7, b"\0") + attr(15, (4789).to_bytes(2, "big"))
            master = attr(raw.IFLA_MASTER, u32(bridge))
            there = attr(raw.IFLA_NET_NS_FD, u32(places[member].netns)) + GROUP
            there += attr(IFLA_ADDRESS, mac(number))
            others = [end for end in range(1, size + 1) if end != number]
            batches += [
                (
                    name,
                    [
                        raw.brought_up(1),
                        raw.brought_up(one.ifindex),
                        _address(one.ifindex, one.address, one.prefix),
                        _bridge(bridge, "over"),
                        _link(tunnel, "over-vtep", b"vxlan", master, data),
                        raw.veth(port, "c", master + GROUP, FIRST_INDEX, "eth0", there),
                        *(entry(tunnel, mac(end), end, 0) for end in others),
                        *(entry(tunnel, bytes(6), end, APPEND) for end in others),
                        raw.brought_up(tunnel),
                        raw.brought_up(bridge),
                    ],
                ),
                (
                    member,
                    [
                        raw.brought_up(1),
                        raw.brought_up(FIRST_INDEX),
                        _address(FIRST_INDEX, bytes((10, 8, number >> 8, number & 255)), 16),
                    ],
                ),
            ]
        return [*batches, ("", last)]

    return Bare((*names, *members), build)


# many objects in one node


def _dense(
    key: str, one: Callable[[int], str], *, more: str = "", apart: bool = True
) -> Callable[[int, bool], str]:
    """Return the file of a node `a` with a list `key` of its own, or of its interface `eth0`."""

    def text(size: int, changed: bool) -> str:
        items = "\n".join(f"        - {one(number)}" for number in _numbered(size, changed))
        eth0 = "      eth0:\n        addresses: [10.0.0.1/24]\n"
        if apart:
            node = f"    interfaces:\n{eth0}    {key}:\n{items}\n"
        else:
            key_line = "" if key == "addresses" else f"        {key}:\n"
            node = (
                "    interfaces:\n      eth0:\n        addresses:\n          - 10.0.0.1/24\n"
                + items.replace("        -", "          -")
                + "\n"
                if key == "addresses"
                else f"    interfaces:\n{eth0}{key_line}" + items.replace("    -", "      -") + "\n"
            )
        links = "links:\n  - [a:eth0, b:eth0]\n"
        return f"name: scale\nnodes:\n  b: {{}}\n  a:\n{node}{more}{links}"

    return text


def _interfaces(one: Callable[[int], str], own: str = "") -> Callable[[int, bool], str]:
    """Return the file of a node `a` with many interfaces."""

    def text(size: int, changed: bool) -> str:
        items = (f"      {one(number)}" for number in _numbered(size, changed))
        head = f"name: scale\nlinks:\n  - [a:eth0, b:eth0]\nnodes:\n  b: {{}}\n  a:\n{own}"
        return _lines(f"{head}    interfaces:\n", items)

    return text


def _quad(number: int, first: int = 10, second: int = 64) -> str:
    return f"{first}.{second + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def _packed(number: int, first: int = 10, second: int = 64) -> bytes:
    return bytes((first, second + (number >> 16), number >> 8 & 255, number & 255))


def _in_node(one: Callable[[int], bytes | Messages]) -> Callable[[int], Bare]:
    """Return the floor of a node `a` with a cable and many objects."""

    def bare(size: int) -> Bare:
        def build(places: Places) -> Batches:
            there = attr(raw.IFLA_NET_NS_FD, u32(places["b"].netns)) + GROUP
            messages = [
                raw.brought_up(1),
                raw.veth(FIRST_INDEX, "eth0", GROUP, FIRST_INDEX, "eth0", there),
                _address(FIRST_INDEX, bytes((10, 0, 0, 1)), 24),
            ]
            up = [raw.brought_up(1), raw.brought_up(FIRST_INDEX)]
            objects: Messages = []
            for number in range(1, size + 1):
                made = one(number)
                objects += [made] if isinstance(made, bytes) else made
            return [("a", messages), ("b", up), ("a", objects)]

        return Bare(("a", "b"), build)

    return bare


def _neighbour(number: int) -> bytes:
    head = struct.pack("=BxxxiHBB", 2, FIRST_INDEX, NUD_PERMANENT, 0, 0)
    mac = bytes((2, 0, 0, 1, number >> 8, number & 255))
    payload = attr(1, _packed(number)) + attr(2, mac)
    return raw.message(RTM_NEWNEIGH, CREATE | EXCL, head + payload)


def _rule(number: int) -> bytes:
    head = struct.pack("=BBBBBBBBI", 2, 0, 32, 0, 100, 0, 0, 1, 0)
    payload = attr(2, _packed(number)) + attr(6, u32(1000 + number))
    return raw.message(RTM_NEWRULE, CREATE | EXCL, head + payload)


def _made_up(
    index: Callable[[int], int], made: Callable[[int], bytes]
) -> Callable[[int], Messages]:
    return lambda number: [made(number), raw.brought_up(index(number))]


def _after_cable(number: int) -> int:
    return FIRST_INDEX + number


_PARENT = attr(IFLA_LINK, u32(FIRST_INDEX))


def _key(number: int) -> str:
    return base64.b64encode(b"scale" + bytes(23) + number.to_bytes(4, "big")).decode()


def _hub(size: int, changed: bool) -> str:
    peers = (
        f"          - {{public_key: {_key(number)}, allowed_ips: [{_quad(number)}/32]}}"
        for number in _numbered(size, changed)
    )
    head = (
        "name: scale\nnodes:\n  a:\n    interfaces:\n      wg0:\n        kind: wireguard\n"
        f"        private_key_file: {KEY_FILE}\n        listen_port: 51820\n        peers:\n"
    )
    return _lines(head, peers)


# a bridge with many ports


def _ports(size: int, changed: bool) -> str:
    def port(number: int) -> str:
        vlan = 3000 if changed and number == size else 1 + number % 2000
        return f"      p{number}: {{master: br0, port: {{pvid: {vlan}, vlans: [{2001 + number % 9}]}}}}"

    ports = "\n".join(map(port, range(1, size + 1)))
    links = (f"  - [a:p{number}, h{number}:eth0]" for number in range(1, size + 1))
    head = (
        f"name: scale\nnodes:\n  h[1-{size}]: {{}}\n  a:\n    interfaces:\n"
        f"      br0: {{kind: bridge, vlan_filtering: true}}\n{ports}\nlinks:\n"
    )
    return _lines(head, links)


def _switch(size: int) -> Bare:
    names = _names(size)

    def build(places: Places) -> Batches:
        first = [raw.brought_up(1), _bridge(FIRST_INDEX, "br0", attr(7, b"\1"))]
        vlans: Messages = []
        batches: list[tuple[str, Messages]] = []
        for number, name in enumerate(names, 1):
            port = FIRST_INDEX + number
            there = attr(raw.IFLA_NET_NS_FD, u32(places[name].netns)) + GROUP
            near = attr(raw.IFLA_MASTER, u32(FIRST_INDEX)) + GROUP
            first.append(raw.veth(port, f"p{number}", near, FIRST_INDEX, "eth0", there))
            head = struct.pack("=BxHiII", AF_BRIDGE, 0, port, 0, 0)
            for kind, spec in (
                (raw.RTM_DELLINK, attr(2, struct.pack("=HH", 0, 1))),
                (
                    RTM_NEWLINK,
                    attr(2, struct.pack("=HH", 2 | 4, 1 + number % 2000))
                    + attr(2, struct.pack("=HH", 0, 2001 + number % 9)),
                ),
            ):
                vlans.append(raw.message(kind, 0, head + attr(IFLA_AF_SPEC, spec)))
            batches.append((name, [raw.brought_up(1), raw.brought_up(FIRST_INDEX)]))
        return [("a", first), ("a", vlans), *batches, ("a", [raw.brought_up(FIRST_INDEX)])]

    return Bare(("a", *names), build)


SCALED: dict[str, Scaled] = {
    "segment": Scaled(
        3000, 8, _members("mode: segment, subnet: 10.9.0.0/16"), _one_segment("", False)
    ),
    "host-only": Scaled(
        3000,
        8,
        _members("mode: host-only, subnet: 10.9.0.0/16, gateway: 10.9.255.254"),
        _one_segment("", True),
        ruled=True,
    ),
    "nat": Scaled(
        3000,
        8,
        _members("mode: nat, subnet: 10.9.0.0/16, gateway: 10.9.255.254"),
        _one_segment("", True),
        ruled=True,
    ),
    "nat-in-a-node": Scaled(
        3000,
        8,
        _members("mode: nat, node: box, subnet: 10.9.0.0/16, gateway: 10.9.255.254"),
        _one_segment("box", True),
        ruled=True,
    ),
    "nat-of-each-node": Scaled(3000, 8, _own_nat, _cables(_ring_cables)),
    "ring": Scaled(3000, 8, _ring, _cables(_ring_cables)),
    "chain": Scaled(3000, 8, _chain, _cables(_chain_cables)),
    "segments": Scaled(1000, 8, _networks("segment"), _many_segments(False), objects="networks"),
    "nat-networks": Scaled(
        1000, 8, _networks("nat"), _many_segments(True), ruled=True, objects="networks"
    ),
    "allow": Scaled(200, 8, _allow, _many_segments(True), ruled=True, objects="networks"),
    "published": Scaled(10000, 40, _published, ruled=True, objects="ports"),
    "vxlan": Scaled(200, 8, _vxlan, _tunnels, objects="endpoints"),
    "switch": Scaled(1000, 8, _ports, _switch, objects="ports"),
    "routes": Scaled(
        4000,
        16,
        _dense("routes", lambda number: f"{{to: {_quad(number)}/32, via: 10.0.0.2}}"),
        _in_node(lambda number: _route(_packed(number), 32, bytes((10, 0, 0, 2)))),
        objects="routes",
    ),
    "addresses": Scaled(
        4000,
        16,
        _dense("addresses", lambda number: f"{_quad(number)}/32", apart=False),
        _in_node(lambda number: _address(FIRST_INDEX, _packed(number), 32)),
        objects="addresses",
    ),
    "neighbours": Scaled(
        4000,
        16,
        _dense(
            "neighbours",
            lambda number: (
                f"{{address: {_quad(number)},"
                f' mac: "02:00:00:01:{number >> 8:02x}:{number & 255:02x}"}}'
            ),
            apart=False,
        ),
        _in_node(_neighbour),
        objects="neighbours",
    ),
    "rules": Scaled(
        4000,
        16,
        _dense(
            "rules",
            lambda number: f"{{from: {_quad(number)}/32, table: 100, priority: {1000 + number}}}",
        ),
        _in_node(_rule),
        objects="rules",
    ),
    "dummies": Scaled(
        4000,
        16,
        _interfaces(lambda number: f"d{number}: {{kind: dummy}}"),
        _in_node(
            _made_up(
                _after_cable, lambda number: _link(_after_cable(number), f"d{number}", b"dummy")
            )
        ),
        objects="links",
    ),
    "vlans": Scaled(
        1000,
        16,
        _interfaces(lambda number: f"v{number}: {{kind: vlan, parent: eth0, id: {number}}}"),
        _in_node(
            _made_up(
                _after_cable,
                lambda number: _link(
                    _after_cable(number),
                    f"v{number}",
                    b"vlan",
                    _PARENT,
                    attr(1, struct.pack("=H", number)),
                ),
            )
        ),
        objects="links",
    ),
    "macvlans": Scaled(
        1000,
        16,
        _interfaces(lambda number: f"m{number}: {{kind: macvlan, parent: eth0, mode: bridge}}"),
        _in_node(
            _made_up(
                _after_cable,
                lambda number: _link(
                    _after_cable(number), f"m{number}", b"macvlan", _PARENT, attr(1, u32(4))
                ),
            )
        ),
        objects="links",
    ),
    "ipvlans": Scaled(
        1000,
        16,
        _interfaces(lambda number: f"i{number}: {{kind: ipvlan, parent: eth0, mode: l2}}"),
        _in_node(
            _made_up(
                _after_cable,
                lambda number: _link(
                    _after_cable(number),
                    f"i{number}",
                    b"ipvlan",
                    _PARENT,
                    attr(1, struct.pack("=H", 0)),
                ),
            )
        ),
        objects="links",
    ),
    "wireguard": Scaled(1000, 16, _hub, objects="peers"),
}
