"""Reading the live state: when it is too early to judge it."""

from __future__ import annotations

import pytest

from netorch.immutable import replace
from netorch.walk.live import lacks_link_local
from netorch.walk.settings import Settings
from tests.unit.walk.test_links import PAIR, changed, linked, world


def without_link_local(*, ready: bool | None = None) -> tuple:  # type: ignore[type-arg]
    """Return the addresses of node a without its link-local one, or with one that is not ready."""
    return tuple(
        entry if not entry.address.is_link_local else replace(entry, ready=ready)
        for entry in world(PAIR).places["a"].addresses
        if not entry.address.is_link_local or ready is not None
    )


@pytest.mark.parametrize("ready", [None, False])
def test_an_interface_that_has_just_come_up(ready: bool | None) -> None:
    there = changed(world(PAIR), "a", addresses=without_link_local(ready=ready))
    assert lacks_link_local(there)
    assert not lacks_link_local(linked(there, "a", "e0", up=False))
    assert not lacks_link_local(linked(there, "a", "e0", carrier=False))
    assert not lacks_link_local(linked(there, "a", "e0", arp=False))
    off = Settings({"net/ipv6/conf/e0/disable_ipv6": "1"})
    assert not lacks_link_local(changed(there, "a", settings=off))


def test_an_interface_that_has_all_its_addresses() -> None:
    assert not lacks_link_local(world(PAIR))
    only_four = tuple(e for e in world(PAIR).places["a"].addresses if e.address.version == 4)
    assert not lacks_link_local(changed(world(PAIR), "a", addresses=only_four))
