"""The flags of a link: which interfaces can have them, and the requests that set them."""

from __future__ import annotations

import pytest

from netorch.errors import FileError
from netorch.kinds.up import Up, up_key
from netorch.resolve.loader import load
from netorch.values.requests import LinkSet


def up(words: str, defaults: str = "{}") -> Up:
    text = (
        f"defaults: {{interface: {defaults}}}\n"
        f"nodes: {{a: {{interfaces: {{x: {{{words}}}, e: {{}}}}}}, b: {{}}}}\n"
        f"links: [{'' if 'kind' in words else '[a:x, b:y], '}[a:e, b:e]]"
    )
    resource = load(text.encode(), "lab.yaml").desired.state[up_key("a", "x")]
    assert isinstance(resource, Up)
    return resource


def test_flags_are_set_after_the_link_is_up_and_reset_when_it_goes_down() -> None:
    flags = up("arp: false, promisc: true")
    assert [*flags.create()] == [
        LinkSet("a", "x", up=True),
        LinkSet("a", "x", alone=True, arp=False, promisc=True),
    ]
    assert [*flags.delete()] == [
        LinkSet("a", "x", up=False),
        LinkSet("a", "x", alone=True, arp=True, promisc=False),
    ]
    assert [*up("").delete()] == [LinkSet("a", "x", up=False)]


def test_a_change_sets_only_what_differs() -> None:
    before, after = up("promisc: true"), up("promisc: true, allmulti: true, multicast: false")
    assert after.differs(before)
    assert after.update(before) == (LinkSet("a", "x", alone=True, multicast=False, allmulti=True),)
    assert after.attributes() == {
        "state": "up",
        "multicast": "off",
        "promisc": "on",
        "allmulti": "on",
    }


@pytest.mark.parametrize(
    ("words", "defaults", "flags"),
    [
        ("", "{arp: false}", {"arp": False}),
        ("arp: true", "{arp: false}", {}),
        ("kind: dummy", "{arp: false, promisc: true}", {"promisc": True}),
        ("kind: bridge, promisc: true", "{}", {"promisc": True}),
    ],
)
def test_defaults_hold_for_the_kinds_that_can_have_them(
    words: str, defaults: str, flags: dict[str, bool]
) -> None:
    usual = {"arp": True, "multicast": True, "promisc": False, "allmulti": False}
    assert up(words, defaults).flags == usual | flags


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("kind: dummy, arp: true", "cannot have `arp`: Linux itself chooses"),
        ("kind: vlan, parent: e, id: 5, multicast: false", "cannot have `multicast`"),
        ("kind: physical, from: eno1, promisc: true", "leaves the flags of a NIC"),
        ("arp: maybe", "neither true nor false"),
    ],
)
def test_errors(words: str, what: str) -> None:
    with pytest.raises(FileError) as error:
        up(words)
    assert what in str(error.value)
