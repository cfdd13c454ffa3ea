"""Find the subnets that contain an address, in time that hardly grows with their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from netorch.language.addresses import Address, Network

Item = TypeVar("Item")


class Prefixes(Generic[Item]):
    """Items by their subnets. One subnet may have several items."""

    def __init__(self, items: Iterable[tuple[Network, Item]] = ()) -> None:
        self._items: dict[tuple[int, int], dict[int, list[Item]]] = {}
        # IP version → the prefix lengths, the longest first
        self._lengths: dict[int, list[int]] = {}
        for network, item in items:
            self.add(network, item)

    def add(self, network: Network, item: Item) -> None:
        """Add an item after those that its subnet already has."""
        length = network.prefixlen
        place = network.version, length
        if place not in self._items:
            self._items[place] = {}
            lengths = self._lengths.setdefault(network.version, [])
            lengths.append(length)
            lengths.sort(reverse=True)
        number = int(network.network_address) >> (network.max_prefixlen - length)
        self._items[place].setdefault(number, []).append(item)

    def around(self, address: Address) -> Iterator[tuple[int, list[Item]]]:
        """Yield the prefix length and the items of each subnet with the address, longest first."""
        number, version, bits = int(address), address.version, address.max_prefixlen
        for length in self._lengths.get(version, ()):
            items = self._items[version, length].get(number >> (bits - length))
            if items is not None:
                yield length, items

    def nearest(self, address: Address) -> list[Item]:
        """Return the items of the longest subnet with the address."""
        number, version, bits = int(address), address.version, address.max_prefixlen
        for length in self._lengths.get(version, ()):
            items = self._items[version, length].get(number >> (bits - length))
            if items is not None:
                return items
        return []
