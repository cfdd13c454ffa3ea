"""The digest of the packet filters of a namespace, as far as they matter to a topology."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import json

from netorch.kernel.comparison.answers import digest
from netorch.kernel.firewall import filters, forward_accept
from netorch.kernel.system.listening_sockets import listening
from netorch.kernel.system.nsfs import HOST
from netorch.values.snapshot import ForwardSnapshot


def digest_of_filters(
    label: str, topology: str, recorded: str | None, *, is_asked: bool, forwards: bool
) -> str:
    """Read the filters in the thread's namespace, as `Reader` does, and return their digest.

    `recorded` is the backend on record. `is_asked` says whether the namespace is to have a filter
    of the topology, and `forwards` whether foreign rules for forwarded packets matter.
    """
    own = filters.read(topology, filters.loaded(), recorded)
    return digest_of_read(
        {name: one.text for name, one in own.items() if one.text},
        {name: one.foreign for name, one in own.items() if one.foreign},
        forward_accept.read(topology, dropping=forwards)
        if label == HOST or forwards
        else ForwardSnapshot(),
        listening() if is_asked else frozenset(),
    )


def digest_of_read(
    own: Mapping[str, str],
    foreign: Mapping[str, Collection[str]],
    forward: ForwardSnapshot,
    sockets: Collection[tuple[str, bytes, int]],
) -> str:
    """Return the digest of what was read.

    The parts are those of a `NetnsSnapshot`: `filters`, `foreign_filters`, `forward`, `listening`.
    """
    everything = (own, foreign, forward, sorted(sockets))
    return digest((json.encode(everything, order="deterministic"),))
