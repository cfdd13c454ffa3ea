"""Lent NICs, without a kernel: which files are valid, and the order of the steps."""

from __future__ import annotations

import pytest

from netorch.errors import FileError
from netorch.kinds.base.link import link_key
from netorch.kinds.netns import netns_key
from netorch.kinds.physical import Physical
from netorch.resolve.loader import load
from netorch.state.plan import Plan
from netorch.state.planner import batches, plan
from netorch.values.marks import read_alias
from netorch.values.requests import NicGive, NicTake


def problem(text: str) -> str:
    with pytest.raises(FileError) as caught:
        load(text.encode(), "t.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "nodes: {host: {interfaces: {eth1: {kind: physical}}}}",
            "t.yaml:2:42: host:eth1: `kind: physical` moves a NIC from the host",
        ),
        (
            "nodes: {a: {interfaces: {eth1: {kind: physical, from: lo}}}}",
            "lo is the loopback interface",
        ),
        (
            "nodes: {a: {interfaces: {eth1: {kind: physical}}},"
            " b: {interfaces: {eth0: {kind: physical, from: eth1}}}}",
            "b:eth0 and a:eth1 are both the host's eth1",
        ),
        (
            "nodes: {a: {interfaces: {eth1: {kind: physical}}}}\n"
            "networks: {lan: {mode: bridged, uplink: eth1}}",
            "a:eth1: the host's eth1 is the uplink of the bridge lan",
        ),
        (
            "nodes: {a: {interfaces: {eth1: {kind: physical}}},"
            " host: {interfaces: {eth1: {addresses: 10.0.0.1/24}}}}",
            "a:eth1: this file uses eth1 on the host",
        ),
        (
            "nodes: {a: {interfaces: {eth1: {kind: physical, description: 'from=x'}}}}",
            "a description cannot begin with `from=`",
        ),
        ("nodes: {a: {interfaces: {eth1: {kind: physical, form: x}}}}", "Did you mean 'from'?"),
    ],
)
def test_wrong_words(text: str, message: str) -> None:
    assert message in problem(f"name: t\n{text}")


def state(words: str) -> dict[object, object]:
    return dict(
        load(f"name: t\nnodes: {{a: {{interfaces: {{{words}}}}}}}".encode(), "t.yaml").desired.state
    )


def test_it_returns_to_the_host_before_its_namespace_is_deleted() -> None:
    before = state("eth1: {kind: physical, from: eno1, addresses: 10.0.0.1/24}")
    made = plan(before, {})  # type: ignore[arg-type]
    assert [step.key for step in made.deletes][-2:] == [link_key("a", "eth1"), netns_key("a")]
    assert list(made.deletes[-2].requests()) == [NicGive("a", "eth1", "eno1", "t")]
    assert [
        [step.key.kind for step in here]
        for epoch in batches(made.deletes, deleting=True)
        for here in epoch.values()
    ][-1][-2:] == [
        "link",
        "netns",
    ]
    # its addresses and its state need no steps of their own
    assert {resource.key.kind for resource in made.implied} >= {"address", "up"}


def test_it_is_taken_after_its_namespace_is_made_and_keeps_its_other_settings() -> None:
    after = state("eth1: {kind: physical, from: eno1, description: lent}")
    key = link_key("a", "eth1")
    steps = plan({}, after).changes  # type: ignore[arg-type]
    taken = next(step for step in steps if step.key == key)
    (request,) = taken.requests()
    assert isinstance(request, NicTake)
    assert (request.origin, request.attrs) == ("eno1", ())
    assert read_alias(request.alias) == ("t", None, "lent", "", "eno1")
    link = after[key]
    assert isinstance(link, Physical)
    before = Physical("a", "eth1", 9000, "02:00:00:00:00:01", 0, link.alias, 500, origin="eno1")
    assert not link.differs(before) and plan({link.key: before}, {link.key: link}) == Plan()
    other = state("eth1: {kind: physical, from: eno2, description: lent}")[link.key]
    assert isinstance(other, Physical)
    assert len(plan({link.key: before}, {link.key: other}).deletes) == 1
