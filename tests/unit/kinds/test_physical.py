"""NICs of the host without a kernel: what a file may say, and what comes first."""

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
    ("text", "told"),
    [
        (
            "nodes: {host: {interfaces: {eth1: {kind: physical}}}}",
            "t.yaml:2:36: host:eth1: `kind: physical` moves a NIC from the host",
        ),
        (
            "nodes: {a: {interfaces: {eth1: {kind: physical, from: lo}}}}",
            "lo is the loopback interface",
        ),
        (
            "nodes: {a: {interfaces: {eth1: {kind: physical}}}, b: {interfaces: {eth0: {kind: physical, from: eth1}}}}",
            "b:eth0 and a:eth1 are both the host's eth1",
        ),
        (
            "nodes: {a: {interfaces: {eth1: {kind: physical}}}}\nnetworks: {lan: {mode: bridged, uplink: eth1}}",
            "a:eth1: the host's eth1 is the uplink of the bridge lan",
        ),
        (
            "nodes: {a: {interfaces: {eth1: {kind: physical}}}, host: {interfaces: {eth1: {addresses: 10.0.0.1/24}}}}",
            "a:eth1: this file uses eth1 on the host",
        ),
        (
            "nodes: {a: {interfaces: {eth1: {kind: physical, description: 'from=x'}}}}",
            "a description cannot begin with `from=`",
        ),
        ("nodes: {a: {interfaces: {eth1: {kind: physical, form: x}}}}", "Did you mean 'from'?"),
    ],
)
def test_wrong_words(text: str, told: str) -> None:
    assert told in problem(f"name: t\n{text}")


def state(words: str) -> dict[object, object]:
    return dict(
        load(f"name: t\nnodes: {{a: {{interfaces: {{{words}}}}}}}".encode(), "t.yaml").desired.state
    )


def test_it_leaves_before_its_namespace_goes() -> None:
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
    # what hangs on it needs no step of its own
    assert {resource.key.kind for resource in made.implied} >= {"address", "up"}


def test_it_is_taken_when_its_namespace_is_there_and_keeps_what_nobody_mentions() -> None:
    after = state("eth1: {kind: physical, from: eno1, description: lent}")
    taken = next(step for step in plan({}, after).changes if step.key == link_key("a", "eth1"))  # type: ignore[arg-type]
    (request,) = taken.requests()
    assert isinstance(request, NicTake)
    assert (request.origin, request.attrs) == ("eno1", ())
    assert read_alias(request.alias) == ("t", None, "lent", "", "eno1")
    link = after[link_key("a", "eth1")]
    assert isinstance(link, Physical)
    found = Physical("a", "eth1", 9000, "02:00:00:00:00:01", 0, link.alias, 500, origin="eno1")
    assert not link.differs(found) and plan({link.key: found}, {link.key: link}) == Plan()
    other = state("eth1: {kind: physical, from: eno2, description: lent}")[link.key]
    assert isinstance(other, Physical)
    assert len(plan({link.key: found}, {link.key: other}).deletes) == 1
