"""The networks that are measured, each as a topology file and as the cables that the floor makes.

`shape("star-100")` returns one. The number is the number of nodes of a star or a ring, of ports of
each switch of a fat tree (k), or of published ports.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Cable(NamedTuple):
    """A cable between two nodes.

    Its number among the cables determines its /31, from which the ends have their addresses.
    """

    near: str
    near_interface: str
    far: str
    far_interface: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A network to measure."""

    name: str
    size: int
    text: str
    """The topology file."""
    changed: str
    """The file after one change: another address of the last node, or another last port."""
    nodes: tuple[str, ...]
    members: tuple[str, ...] = ()
    """The nodes on one segment. Either this or `cables` is empty."""
    cables: tuple[Cable, ...] = ()
    """The cables from node to node."""
    published: int = 0
    """The number of ports that lead to the one node."""

    @property
    def topology(self) -> str:
        """The name in its file, for `destroy`."""
        return self.name.rpartition("-")[0]


MOVED = 5000
"""The distance by which the one change moves an address."""


def member_address(number: int) -> str:
    """Return the address of the node of this number in a star, counted from 1."""
    return f"10.9.{number // 256}.{number % 256}"


def cable_addresses(number: int) -> tuple[str, str]:
    """Return the addresses of the two ends of the cable of this number, counted from 0."""
    near, far = (
        f"10.{128 + number // 32768}.{number // 128 % 256}.{number % 128 * 2 + end}"
        for end in (0, 1)
    )
    return near, far


def cable_subnet(number: int) -> str:
    return f"{cable_addresses(number)[0]}/31"


def published_port(number: int) -> int:
    """Return the owner's port of this number, counted from 0."""
    return 10000 + number


def _star_text(size: int, *, moved: bool) -> str:
    def node(names: str, address: str) -> str:
        return f"  {names}:\n    networks: {{lan: {{address: {address}}}}}\n    routes: [{{to: default, via: 10.9.255.254}}]\n"

    formula = '"10.9.$(i // 256).$(i % 256)/16"'
    nodes = node(f"h[1-{size}]", formula)
    if moved:
        nodes = node(f"h[1-{size - 1}]", formula) + node(
            f"h{size}", f"{member_address(size + MOVED)}/16"
        )
    return f"name: star\nnetworks:\n  lan: {{mode: segment, subnet: 10.9.0.0/16}}\nnodes:\n{nodes}"


def star(size: int) -> Shape:
    """Return a star: one segment, on which each node has an address, and a default route."""
    names = tuple(f"h{number}" for number in range(1, size + 1))
    return Shape(
        f"star-{size}",
        size,
        _star_text(size, moved=False),
        _star_text(size, moved=True),
        names,
        members=names,
    )


def ring(size: int) -> Shape:
    """Return a ring: each node has a cable to the next, and the last one to the first.

    Each cable has its own subnet.
    """
    cables = tuple(
        Cable(f"r{number}", "right", f"r{number % size + 1}", "left")
        for number in range(1, size + 1)
    )
    formula = '"10.$(128 + (i - 1) // 32768).$((i - 1) // 128 % 256).$((i - 1) % 128 * 2)/31"'

    def text(last: int) -> str:
        return (
            f"name: ring\nnodes:\n  r[1-{size}]: {{}}\nlinks:\n"
            f'  - {{endpoints: ["r[1-{size - 1}]:right", "r[2-{size}]:left"], subnet: {formula}}}\n'
            f"  - {{endpoints: [r{size}:right, r1:left], subnet: {cable_subnet(last)}}}\n"
        )

    names = tuple(f"r{number}" for number in range(1, size + 1))
    return Shape(f"ring-{size}", size, text(size - 1), text(size - 1 + MOVED), names, cables=cables)


def fat_tree(k: int) -> Shape:
    """Return the data centre network of k-port switches.

    It has (k/2)² core switches, k pods of k/2 + k/2 switches, and k/2 hosts on each edge switch.
    """
    half = k // 2
    cores = [f"core{number}" for number in range(half * half)]
    names = list(cores)
    cables: list[Cable] = []
    for pod in range(k):
        upper = [f"agg{pod}.{number}" for number in range(half)]
        lower = [f"edge{pod}.{number}" for number in range(half)]
        hosts = [f"host{pod}.{edge}.{number}" for edge in range(half) for number in range(half)]
        names += [*upper, *lower, *hosts]
        for number, switch in enumerate(upper):
            cables += [
                Cable(switch, f"up{port}", cores[number * half + port], f"pod{pod}")
                for port in range(half)
            ]
        for number, switch in enumerate(lower):
            cables += [
                Cable(switch, f"up{port}", upper[port], f"down{number}") for port in range(half)
            ]
        cables += [
            Cable(host, "eth0", lower[number // half], f"host{number % half}")
            for number, host in enumerate(hosts)
        ]

    def text(last: int) -> str:
        numbers = [*range(len(cables) - 1), last]
        links = (
            f"  - {{endpoints: [{cable.near}:{cable.near_interface}, {cable.far}:{cable.far_interface}], subnet: {cable_subnet(number)}}}\n"
            for number, cable in zip(numbers, cables, strict=True)
        )
        return "".join(
            [
                "name: fat-tree\nnodes:\n",
                *(f"  {name}: {{}}\n" for name in names),
                "links:\n",
                *links,
            ]
        )

    last = len(cables) - 1
    return Shape(
        f"fat-tree-{k}", k, text(last), text(last + MOVED), tuple(names), cables=tuple(cables)
    )


def ports(size: int) -> Shape:
    """Return a network behind the node `box`, which publishes so many ports of the node `web`."""

    def text(last: int) -> str:
        published = ", ".join(
            f'"{published_port(port)}:{20000 + port}"' for port in [*range(size - 1), last]
        )
        return (
            "name: ports\nnodes:\n  box: {}\n"
            f"  web: {{networks: [net], publish: [{published}]}}\n"
            "networks: {net: {mode: nat, node: box, subnet: 172.17.0.0/16}}\n"
        )

    return Shape(
        f"ports-{size}",
        size,
        text(size - 1),
        text(size - 1 + MOVED),
        ("box", "web"),
        published=size,
    )


KINDS: dict[str, Callable[[int], Shape]] = {
    "star": star,
    "ring": ring,
    "fat-tree": fat_tree,
    "ports": ports,
}
SMALLEST = {"star": 2, "ring": 3, "fat-tree": 2, "ports": 1}


def shape(name: str) -> Shape:
    """Return the shape of this name. Raises ValueError if there is none."""
    kind, _, size = name.rpartition("-")
    if (
        kind not in KINDS
        or not size.isdecimal()
        or int(size) < SMALLEST[kind]
        or (kind == "fat-tree" and int(size) % 2)
    ):
        raise ValueError(
            f"{name!r} is not a shape: write {', '.join(f'{known}-N' for known in KINDS)} (N of a fat tree must be even)"
        )
    return KINDS[kind](int(size))
