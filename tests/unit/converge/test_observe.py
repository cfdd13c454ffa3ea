"""What a snapshot has of a topology, by marks and by the record.

Marks count where only root can write them. Protocol numbers count where a record says the same.
"""

from __future__ import annotations

from typing import Any

import pytest

from netorch.converge.observe import Evidence, Observed, observe
from netorch.immutable import replace
from netorch.kinds.base.link import link_key
from netorch.netlink.constants import AF_INET, IFA_F_PERMANENT, RTN_BLACKHOLE
from netorch.state.key import HOST, Key
from netorch.values.marks import Mark
from netorch.values.ownership import Ownership
from netorch.values.requests import RouteSpec
from netorch.values.snapshot import AddressRecord, LinkRecord, NetnsSnapshot, Snapshot

MARK = Mark("lab")
BOX = "@box"


def link(index: int, name: str, **fields: Any) -> LinkRecord:
    plain: dict[str, Any] = {
        **{"flags": 0, "mtu": 1500, "mac": bytes(6), "kind": "dummy", "master": 0, "link": 0},
        **{"link_netnsid": None, "group": 0, "alias": "", "txqueuelen": 1000, "altnames": ()},
        **{"data": {}, "port": {}},
    }
    return LinkRecord(**{**plain, **fields, "index": index, "name": name})


def netns(label: str, *links: LinkRecord, alias: str = "", **fields: Any) -> NetnsSnapshot:
    lo = link(1, "lo", kind="", alias=alias)
    inode = (4, 100 + sum(map(ord, label)))
    return NetnsSnapshot(label, inode, (lo, *links), **{"cookie": 9, **fields})


def observed_in(
    *namespaces: NetnsSnapshot, evidence: Evidence | None = None, **fields: Any
) -> Observed:
    by_label = {one.label: one for one in namespaces}
    by_label.setdefault(HOST, netns(HOST))
    return observe(Snapshot(by_label, **fields), MARK, {}, evidence=evidence or Evidence())


def links_in(observed: Observed) -> set[tuple[str, str]]:
    return {(key.netns, key.parts[0]) for key in observed.state if key.kind == "link"}


ADDRESS = AddressRecord(
    AF_INET, 5, b"\x0a\0\0\1", b"\x0a\0\0\1", 24, scope=0, flags=IFA_F_PERMANENT, protocol=0
)
ROUTE = RouteSpec(
    AF_INET,
    b"\x0a\x09\0\0",
    16,
    table=254,
    metric=0,
    type=RTN_BLACKHOLE,
    scope=0,
    protocol=0,
    hops=(),
)


@pytest.mark.parametrize(
    "alias", ["netorch:lab", "netorch:lab from=eth9", "netorch:lab uplink=eth0"]
)
def test_hardware_on_the_host_is_the_hosts_whatever_its_alias(alias: str) -> None:
    """A NIC returns from a deleted namespace with an alias that its root may have set."""
    nic = link(5, "eth1", kind="", alias=alias, group=MARK.group)
    observed = observed_in(netns(HOST, nic, addresses=(ADDRESS,)))
    assert observed.state == {}
    # what netorch makes has a kind; the record has its name, and its index in case somebody
    # renames it
    host = netns(HOST, link(5, "d0", alias="netorch:lab"))
    identity = f"{host.inode[1]} 9"
    assert links_in(observed_in(host)) == {(HOST, "d0")}
    for record in (
        Ownership(objects={identity: (("link", "d0"),)}),
        Ownership(links={identity: (5,)}),
    ):
        assert links_in(observed_in(host, evidence=Evidence(record))) == {(HOST, "d0")}
    observed = observed_in(
        host, evidence=Evidence(Ownership(objects={identity: (("link", "d1"),)}))
    )
    assert links_in(observed) == set()
    assert "no record proves it" in observed.unproven[link_key(HOST, "d0")]


def test_a_nic_that_is_back_on_the_host_is_given_back_if_the_record_proves_it() -> None:
    nic = link(5, "eth1", kind="", alias="netorch:lab from=eth9")
    host = netns(HOST, nic)
    assert links_in(observed_in(host, nics={"eth9": (HOST, 5)})) == {(HOST, "eth1")}
    for nics in ({}, {"eth9": None}, {"eth9": (HOST, 6)}, {"eth8": (HOST, 6)}):
        observed = observed_in(host, nics=nics)
        assert links_in(observed) == set()
        assert "says that it is the host's eth9" in observed.unproven[link_key(HOST, "eth1")]


def test_in_an_attached_namespace_only_the_record_proves_a_nic() -> None:
    evil = link(5, "evil", alias="netorch:lab from=eth9")
    real = link(6, "eth0", kind="", alias="")
    box = netns(BOX, evil, real)
    observed = observed_in(box, nics={"eth9": (BOX, 6)})
    assert links_in(observed) == {(BOX, "eth0")}
    assert list(observed.unproven) == [link_key(BOX, "evil")]
    made = netns("a", evil, alias="netorch:lab")
    assert (("a", "evil")) in links_in(observed_in(made)), "only root can write aliases there"
    assert ("a", "evil") not in links_in(observed_in(made, nics={"eth9": (BOX, 6)}))


@pytest.mark.parametrize(
    "case", ["own", "another user's", "attached", "not on record", "the host's"]
)
def test_who_made_a_namespace(case: str) -> None:
    one = netns("a", alias="netorch:lab", is_own=case != "another user's")
    same = {"attached": BOX, "the host's": HOST}.get(case)
    more = [replace(one, label=same)] if same else []
    record = Ownership(namespaces=("b",) if case == "not on record" else ("a",))
    observed = observed_in(one, *more, evidence=Evidence(record))
    assert (Key("netns", "a") in observed.state) is (case == "own")


@pytest.mark.parametrize("label", [HOST, BOX])
def test_a_number_counts_only_with_a_record(label: str) -> None:
    route = replace(ROUTE, protocol=MARK.protocol)
    place = netns(label, routes=(route,))
    key = Key("route", label, "10.9.0.0/16")

    def observed(evidence: Evidence) -> Observed:
        return observed_in(place, evidence=evidence)

    identity = f"{place.inode[1]} 9"
    mine = {identity: (("route", "10.9.0.0/16"),)}
    assert key in observed(Evidence(Ownership(objects=mine))).state
    for objects in (
        {},
        {f"{place.inode[1]} 8": mine[identity]},
        {identity: (("rule", "10.9.0.0/16"),)},
    ):
        result = observed(Evidence(Ownership(objects=objects)))
        assert key not in result.state and key not in result.unproven
    assert key in observed(Evidence(None, trusts_numbers=True)).state
    doubt = observed(Evidence(None, trusts_numbers=False))
    assert key not in doubt.state and "no record says whose it is" in doubt.unproven[key]


@pytest.mark.parametrize("label", [HOST, BOX, "a"])
def test_a_group_without_an_alias_needs_a_record(label: str) -> None:
    half = link(5, "d0", group=MARK.group)
    place = netns(label, half, alias="netorch:lab" if label == "a" else "")
    known = Ownership(namespaces=("a",), objects={f"{place.inode[1]} 9": (("link", "d0"),)})
    assert (label, "d0") in links_in(observed_in(place, evidence=Evidence(known)))
    foreign = observed_in(place, evidence=Evidence(Ownership(namespaces=("a",))))
    assert ((label, "d0") in links_in(foreign)) is (label == "a")


def test_one_end_is_ours_if_the_other_end_has_the_mark_too() -> None:
    """The namespace ID tells where the other end is, because equal indices may be chance."""
    end = link(5, "eth0", kind="veth", alias="netorch:lab peer=host:v0", link=7, link_netnsid=3)
    other = link(7, "v0", kind="veth", alias="netorch:lab peer=@box:eth0", link=5, link_netnsid=0)
    box = netns(BOX, end, nsids={HOST: 3})
    assert links_in(observed_in(box, netns(HOST, other))) == {(BOX, "eth0"), (HOST, "v0")}
    for there, at in (
        (netns(BOX, end, nsids={HOST: 4}), other),
        (netns(BOX, end), other),
        (box, replace(other, alias="")),
        (box, replace(other, alias="netorch:theirs")),
        (box, replace(other, link=6)),
        (box, replace(other, index=8)),
    ):
        observed = observed_in(there, netns(HOST, at))
        assert (BOX, "eth0") not in links_in(observed)
        assert (
            "its other end, in another namespace, does not"
            in observed.unproven[link_key(BOX, "eth0")]
        )
    within = netns(BOX, replace(end, link=6, link_netnsid=None))
    assert (BOX, "eth0") in links_in(observed_in(within))


def test_a_name_that_is_not_a_namespace() -> None:
    observed = observe(
        Snapshot({HOST: netns(HOST)}, {"a": None, "b": None}, {}, {"a": "a symbolic link"}),
        MARK,
        {Key("netns", label): None for label in "ab"},  # type: ignore[misc]
    )
    assert observed.conflicts == {
        Key("netns", "a"): "/run/netns/a is a symbolic link, not a network namespace",
        Key("netns", "b"): "/run/netns/b is an empty file, not a network namespace",
    }
    assert observed.stale == {"b"}
