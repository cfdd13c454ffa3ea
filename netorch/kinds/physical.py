"""NICs that the host lends to a node: they are moved there, and returned with their old settings.

The kernel function is dev_change_net_namespace in net/core/dev.c.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.errors import did_you_mean
from netorch.immutable import replace
from netorch.kinds.base.link import Link, common_fields, link_key
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.netns import netns_key
from netorch.netlink.codec import cstring, u32
from netorch.netlink.constants import (
    IFLA_ADDRESS,
    IFLA_IFALIAS,
    IFLA_MTU,
    IFLA_TXQLEN,
    RT_TABLE_MAIN,
    RTN_UNICAST,
)
from netorch.state.key import HOST, Key, is_attached, label_text
from netorch.state.registry import View, observed, reports_unproven
from netorch.state.resource import Disruption, Obstacle, Resource, State
from netorch.values.marks import maker, read_alias
from netorch.values.requests import Attrs, Feature, LinkSet, NicGive, NicTake, Request
from netorch.values.snapshot import LinkRecord, NetnsSnapshot, Snapshot

LEFT_ALONE = -1
"""A queue length that netorch does not set."""


@observed
class Physical(StandaloneLink):
    """A lent NIC.

    netorch leaves the MTU, the MAC address and the queue length alone if they are 0, "" and -1. It
    never changes the alternative names and the link group of a NIC. By its group netorch deletes
    all links of its own at once, which must not include a NIC.

    In the namespace `host`, the resource is a NIC that has come back with its mark: because its
    namespace was deleted, or because a move broke off. netorch then returns it once more.
    """

    KIND: ClassVar[str] = "physical"
    QUEUE: ClassVar[int] = LEFT_ALONE
    LENT: ClassVar[bool] = True
    REMEDY: ClassVar[str] = "Take another name for it, or remove what has this one."
    CREATION: ClassVar[Disruption] = Disruption.CREATE
    HINTS: ClassVar[tuple[str, ...]] = ("topology",)
    origin: str = ""
    """The host's name of the NIC."""
    topology: str = ""
    """The topology that it is lent to.

    The alias does not prove that, because anyone can write it in an attached namespace.
    """

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return (netns_key(self.netns),)

    @property
    def deleted_before(self) -> tuple[Key, ...]:
        # because a virtual NIC is deleted together with its namespace
        return (netns_key(self.netns),)

    @classmethod
    def kernel_features(cls) -> tuple[Feature, ...]:
        return ()

    @classmethod
    def links(cls) -> frozenset[str]:
        return frozenset()

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for link in view.netns.links:
            origin = view.lent.get(link.index) or _marked_origin(view, link)
            if origin:
                fields = common_fields(view, link)
                fields["altname"] = ""
                yield cls(**fields, origin=origin, topology=view.mark.topology)

    def adapt_to(self, before: Resource, last: Callable[[], Resource | None]) -> Resource:
        if not isinstance(before, Physical):
            return self
        return replace(
            self,
            group=before.group,
            mtu=self.mtu or before.mtu,
            mac=self.mac or before.mac,
            txqueuelen=before.txqueuelen if self.txqueuelen == LEFT_ALONE else self.txqueuelen,
        )

    def differs(self, before: Resource) -> bool:
        return self.adapt_to(before, lambda: None) != before

    def obstacles(self, snapshot: Snapshot, desired: State) -> Iterator[Obstacle]:
        host = snapshot.namespaces[HOST]
        if _has_it(snapshot, read_alias(self.alias).topology, self.origin):
            return  # it is lent already, or the plan returns it before it takes it again
        nic = _find(host, self.origin)
        if nic is None and self.origin in snapshot.nics:
            what = f"the host lent {self.origin}, but it is no longer in the namespace of its node"
            yield Obstacle("no-nic", what, "Bring it back to the host (`ip link set … netns 1`).")
            return
        if nic is None:
            names = [link.name for link in host.links if link.name != "lo"]
            known = f"It has {', '.join(names[:20])}." if names else "It has only lo."
            what = f"the host has no interface {self.origin!r}"
            yield Obstacle("no-nic", what, did_you_mean(self.origin, names) or known)
            return
        remedy = "Take it out of there first, or name another one as `from`."
        master = next(
            (link for link in host.links if nic.master and link.index == nic.master), None
        )
        upper_links = [
            link.name
            for link in host.links
            if link.link == nic.index and link.link_netnsid is None and link.kind != "veth"
        ]
        bridge = next(
            (
                link
                for link in host.links
                if read_alias(link.alias).uplink in {nic.name, *nic.altnames}
            ),
            None,
        )
        if read_alias(nic.alias).topology:
            what = f"{nic.name} is not a NIC that the host could lend: {maker(nic.alias)}"
            remedy = "Name another one as `from`."
            if not nic.kind or read_alias(nic.alias).origin:
                remedy += (
                    f" If it is the host's own, remove the mark: `ip link set {nic.name} alias ''`."
                )
            yield Obstacle("nic-in-use", what, remedy)
        elif nic.master:
            whose = master.name if master else "another link"
            yield Obstacle("nic-in-use", f"{nic.name} is a port of {whose}", remedy)
        elif bridge is not None:
            what = f"{nic.name} is the uplink of {bridge.name}, and {maker(bridge.alias)}"
            yield Obstacle("nic-in-use", what, remedy)
        elif upper_links:
            what = f"{nic.name} carries {', '.join(upper_links)}, which would be lost"
            yield Obstacle("nic-in-use", what, remedy)
        elif nic.kind in {"bridge", "bond", "team"}:
            what = f"{nic.name} is a {nic.kind} of the host"
            yield Obstacle("not-a-nic", what, "Name a NIC as `from`.")
        elif is_attached(self.netns) and nic.kind == "tun":
            what = (
                f"{nic.name} is a tun or tap device, which netorch could not recognise when"
                f" {label_text(self.netns)} returns it"
            )
            yield Obstacle("not-a-nic", what, "Lend it to a node that netorch makes.")

    def cautions(self, snapshot: Snapshot, *, going: bool = False) -> Iterator[str]:
        host = snapshot.namespaces[HOST]
        if going:
            nic = _find(host, self.origin)
            if nic is not None and (self.netns, self.name) != (HOST, nic.name):
                yield (
                    f"the host has another {self.origin} by now: the NIC returns under a name like"
                    f" dev{nic.index}"
                )
            return
        routes = [
            route
            for route in host.routes
            if route.dst is None and (route.table, route.type) == (RT_TABLE_MAIN, RTN_UNICAST)
        ]
        for family, name in ((2, "IPv4"), (10, "IPv6")):
            ways = {hop.dev for route in routes if route.family == family for hop in route.hops}
            if ways == {self.origin}:
                yield (
                    f"{self.origin} has the host's only {name} default route: the host is cut off"
                    " while the node has it"
                )

    def own_attrs(self) -> Attrs:
        """Return the attributes that the file sets."""
        return (
            *(((IFLA_MTU, u32(self.mtu)),) if self.mtu else ()),
            *(((IFLA_ADDRESS, bytes.fromhex(self.mac.replace(":", ""))),) if self.mac else ()),
            *(((IFLA_TXQLEN, u32(self.txqueuelen)),) if self.txqueuelen != LEFT_ALONE else ()),
        )

    def create(self) -> Iterator[Request]:
        topology = read_alias(self.alias).topology
        yield NicTake(
            netns=self.netns,
            name=self.name,
            origin=self.origin,
            topology=topology,
            alias=self.alias,
            attrs=self.own_attrs(),
        )

    def update(self, before: Self) -> Sequence[Request] | None:
        if self.origin != before.origin:
            return None
        attrs = [pair for pair in self.own_attrs() if pair not in before.own_attrs()]
        if self.alias != before.alias:
            attrs.append((IFLA_IFALIAS, cstring(self.alias)))
        return [LinkSet(self.netns, self.name, tuple(attrs))] if attrs else []

    def delete(self) -> Iterator[Request]:
        topology = self.topology or read_alias(self.alias).topology
        yield NicGive(self.netns, self.name, self.origin, topology)

    def own(self) -> Mapping[str, str]:
        return {"from": self.origin} if self.origin != self.name else {}

    def attributes(self) -> Mapping[str, str]:
        common = {
            "mtu": str(self.mtu) if self.mtu else "",
            "mac": self.mac,
            "description": read_alias(self.alias).description,
        }
        if self.txqueuelen not in (LEFT_ALONE, 1000):
            common["txqueuelen"] = str(self.txqueuelen)
        return {**self.own(), **{name: text for name, text in common.items() if text}}

    def default_text(self, name: str) -> str | None:
        return None if name == "txqueuelen" else Link.default_text(self, name)


def _marked_origin(view: View, link: LinkRecord) -> str:
    """Return the host's name of the NIC according to its alias, or "".

    The alias counts only in a namespace that netorch made, and only if no record says more.
    """
    alias = read_alias(link.alias)
    believed = (
        view.created
        and alias.topology == view.mark.topology
        and alias.origin not in view.nics_on_record
    )
    return alias.origin if believed else ""


@reports_unproven
def _unproven(view: View) -> Iterator[tuple[Key, str]]:
    """Yield links whose alias says that they are a NIC of the host, although nothing proves it."""
    for link in view.netns.links:
        alias = read_alias(link.alias)
        if (
            alias.topology != view.mark.topology
            or not alias.origin
            or view.lent.get(link.index)
            or _marked_origin(view, link)
        ):
            continue
        where = f"{label_text(view.label)}/{link.name}"
        yield (
            link_key(view.label, link.name),
            f"{where} says that it is the host's {alias.origin}, and no record of"
            f" {view.mark.topology} proves it: netorch leaves it alone",
        )


def _has_it(snapshot: Snapshot, topology: str, origin: str) -> bool:
    """Return whether the topology has the NIC, according to the record or to a mark."""
    if origin in snapshot.nics:
        return snapshot.nics[origin] is not None
    return any(
        alias.topology == topology and alias.origin == origin
        for label, netns in snapshot.namespaces.items()
        if label != HOST and not is_attached(label) and netns.is_own
        for alias in (read_alias(link.alias) for link in netns.links)
    )


def _find(host: NetnsSnapshot, name: str) -> LinkRecord | None:
    return next((link for link in host.links if name == link.name or name in link.altnames), None)
