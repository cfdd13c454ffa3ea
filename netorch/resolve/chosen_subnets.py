"""Choose the subnets of networks that leave the choice to netorch.

The place of a subnet in its pool depends on the names of the topology and of the network. So a new
network in the file does not move the others, and two topologies on one machine rarely get the same
subnets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

from netorch.immutable import Value
from netorch.language.addresses import Network
from netorch.resolve.desired import Complaint
from netorch.topology import NetworkModel, TopologyFile
from netorch.topology.interfaces.common import CommonModel
from netorch.topology.pools import AUTO, PoolModel
from netorch.values.digest import blake2b

POOL = IPv4Network("10.210.0.0/16")
"""The pool of networks that name none."""


class ChosenSubnets(Value):
    """A topology in which every network has its subnets."""

    topology: TopologyFile
    """The topology, with the chosen subnets in place of the words `auto` and `auto6`."""
    chosen: Mapping[str, tuple[Network, ...]]
    """Network → the subnets that netorch chose for it."""
    complaints: tuple[Complaint, ...]
    """The errors of the file: pools that have no free subnet."""


def choose_subnets(topology: TopologyFile, name: str) -> ChosenSubnets:
    """Choose a subnet for each `auto`, and for each network that needs a subnet and has none.

    `name` is the name of the topology.
    """
    every = ((network, _words(model)) for network, model in topology.networks.items())
    words = {network: entries for network, entries in every if _has_choice(entries)}
    if not words:
        return ChosenSubnets(topology, {}, ())
    taken = _Taken(_in_use(topology))
    chosen: dict[str, tuple[Network, ...]] = {}
    complaints: list[Complaint] = []
    networks = dict(topology.networks)
    for network, entries in words.items():
        model = topology.networks[network]
        subnets: list[Network] = []
        own: list[Network] = []
        for entry in entries:
            if not isinstance(entry, str):
                subnets.append(entry)
                continue
            version = next(version for version, word in AUTO.items() if word == entry)
            pools = pools_of(model, version, name)
            free = _free(pools, taken, f"{name}/{network}")
            if free is None:
                complaints.append(_full(network, pools, version))
                continue
            taken.add(free)
            subnets.append(free)
            own.append(free)
        networks[network] = model.model_copy(update={"subnet": subnets})
        chosen[network] = tuple(own)
    whole = topology.model_copy(update={"networks": networks})
    return ChosenSubnets(whole, chosen, tuple(complaints))


def pools_of(model: NetworkModel, version: int, topology: str) -> list[PoolModel]:
    """Return the pools of a network for one IP version, or else the pool that netorch has."""
    pools = [pool for pool in model.pool if pool.base.version == version]
    return pools or [
        PoolModel.model_construct(base=POOL if version == 4 else _local_pool(topology))
    ]


def _local_pool(topology: str) -> IPv6Network:
    """Return the unique local prefix (RFC 4193) of a topology, a /48."""
    identifier = blake2b(f"subnets of {topology}".encode(), digest_size=5).digest()
    return IPv6Network((b"\xfd" + identifier + bytes(10), 48))


def _words(model: NetworkModel) -> Sequence[Network | str]:
    """Return the `subnet` of a network, or the words that it means if the file has none.

    Without pools that is one IPv4 subnet, else a subnet of each IP version that has a pool. A
    network with a gateway or a range of its own needs the subnet that contains these.
    """
    has_own = not model.is_segment and not model.is_bridged
    if model.subnet or not has_own or model.gateway or model.ip_range:
        return model.subnet
    versions = sorted({pool.base.version for pool in model.pool}) or [4]
    return [AUTO[version] for version in versions]


def _has_choice(entries: Sequence[Network | str]) -> bool:
    return any(isinstance(entry, str) for entry in entries)


def _full(network: str, pools: Sequence[PoolModel], version: int) -> Complaint:
    ranges = " and ".join(f"{pool.base} (size {pool.piece_length})" for pool in pools)
    key = "pool: {base: 10.0.0.0/8, size: 24}" if version == 4 else "pool: fd00:1::/48"
    return Complaint(
        "pool-full",
        ("networks", network),
        f"network {network}: no subnet is free in {ranges}, because the file uses all of them.",
        f"Write a larger pool under defaults.network, such as `{key}`, or a `subnet`.",
    )


def _free(pools: Sequence[PoolModel], taken: _Taken, name: str) -> Network | None:
    """Return the first free subnet from the place in the pools that a name has."""
    total = sum(pool.pieces for pool in pools)
    start = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") % total
    passed = 0
    while passed < total:
        number = (start + passed) % total
        for pool in pools:
            if number < pool.pieces:
                break
            number -= pool.pieces
        bits = pool.base.max_prefixlen - pool.piece_length
        first = int(pool.base.network_address) + (number << bits)
        subnet = type(pool.base)((first, pool.piece_length))
        last = taken.last_of_overlap(subnet)
        if last is None:
            return subnet
        # An overlapping prefix may be longer than the subnet, or contain many more of them.
        passed += min(max(1, (last - first + 1) >> bits), pool.pieces - number)
    return None


class _Taken:
    """Subnets that the file uses, and those that have been chosen."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._all: set[Network] = set()
        self._numbers: dict[tuple[int, int], set[int]] = {}
        """IP version and prefix length → the subnets, as numbers of that length."""
        self._inside: dict[tuple[int, int], set[int]] = {}
        """IP version and prefix length → the numbers of the subnets with longer ones inside."""
        for network in networks:
            self.add(network)

    def add(self, network: Network) -> None:
        if network in self._all:
            return
        self._all.add(network)
        number = _number(network, network.prefixlen)
        self._numbers.setdefault((network.version, network.prefixlen), set()).add(number)
        for (version, length), numbers in self._inside.items():
            if version == network.version and network.prefixlen > length:
                numbers.add(_number(network, length))

    def last_of_overlap(self, subnet: Network) -> int | None:
        """Return the last address, as a number, of a subnet that overlaps, None if none does."""
        place = subnet.version, subnet.prefixlen
        if place not in self._inside:
            self._inside[place] = {
                _number(other, subnet.prefixlen)
                for other in self._all
                if other.version == subnet.version and other.prefixlen > subnet.prefixlen
            }
        for (version, length), numbers in self._numbers.items():
            if version == subnet.version and length <= subnet.prefixlen:
                number = _number(subnet, length)
                if number in numbers:
                    return ((number + 1) << (subnet.max_prefixlen - length)) - 1
        if _number(subnet, subnet.prefixlen) in self._inside[place]:
            return int(subnet.broadcast_address)
        return None


def _number(network: Network, length: int) -> int:
    return int(network.network_address) >> (network.max_prefixlen - length)


def _in_use(topology: TopologyFile) -> Iterator[Network]:
    """Yield the subnets and addresses that the file gives to networks, links and interfaces.

    The destinations and gateways of routes are among them. The destination of a route that contains
    a whole pool is not, because packets prefer the subnet to it.
    """
    bases = [POOL, *(pool.base for model in topology.networks.values() for pool in model.pool)]
    for model in topology.networks.values():
        yield from model.subnets
        yield from (
            route.to
            for route in model.routes
            if not any(_contains(route.to, base) for base in bases)
        )
        yield from map(ip_network, model.endpoints.values())
    for host in topology.hosts.values():
        yield ip_network(host.address)
    yield from _of_interface(topology.defaults.interface)
    for link in topology.links:
        yield from link.subnet
        for end in link.endpoints:
            yield from _of_interface(end)
    for node in topology.nodes.values():
        for interface in node.interfaces.values():
            yield from _of_interface(interface)
        for _, network, membership in node.memberships():
            joined = topology.networks.get(network)
            if joined is not None and not _has_choice(_words(joined)):
                yield from (
                    address.network if has_length else ip_network(address.ip)
                    for address, has_length in membership.address or ()
                )
        for route in node.routes:
            if route.to is not None and not any(_contains(route.to, base) for base in bases):
                yield route.to
            for via in (route.via, *(hop.via for hop in route.nexthops)):
                if via is not None:
                    yield ip_network(via)


def _contains(subnet: Network, pool: Network) -> bool:
    return (
        subnet.version == pool.version
        and subnet.prefixlen < pool.prefixlen
        and pool.network_address in subnet
    )


def _of_interface(model: CommonModel) -> Iterator[Network]:
    # A membership has False in place of the addresses.
    for entry in model.addresses or ():
        yield entry.address.network
        if entry.peer is not None:
            yield ip_network(entry.peer)
