"""The common part of macvlan, macvtap and ipvlan, which take frames from their parent.

The kernel passes a link's frames to only one receive handler (netdev_rx_handler_register in
net/core/dev.c). So a parent either has macvlans, or has ipvlans, or is a port of a bridge or bond.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import ClassVar, Self

from netorch.kinds.base.link import link_key
from netorch.kinds.base.standalone import StandaloneLink, find_link, value_text
from netorch.netlink.constants import IFF_LOOPBACK
from netorch.state.key import label_text
from netorch.state.resource import Obstacle, State
from netorch.values.snapshot import LinkRecord, NetnsSnapshot, Snapshot

MASTERS = {"bridge": "bridge", "bond": "bond", "team": "team", "openvswitch": "Open vSwitch"}
"""Kinds of masters that take their ports' frames, with their names in messages."""


class StackedLink(StandaloneLink):
    """An upper link that takes frames from its parent."""

    RX_HANDLER: ClassVar[str] = ""
    """The driver whose receive handler gets the parent's frames.

    A parent can have many upper links of one driver.
    """
    FITS_PARENT: ClassVar[bool] = True
    mode: str = ""

    def incompatibility(self, other: "StackedLink") -> str:
        """Return why Linux cannot have both links on one parent; "" if it can."""
        return (
            ""
            if self.RX_HANDLER == other.RX_HANDLER
            else f"a parent has either {self.RX_HANDLER}s or {other.RX_HANDLER}s, never both"
        )

    def own(self) -> Mapping[str, str]:
        # all attributes, because users look for the mode even where it is the default
        return {
            attribute.key: value_text(getattr(self, attribute.key)) for attribute in self.ATTRIBUTES
        }

    def obstacles(self, snapshot: Snapshot, desired: State) -> Iterator[Obstacle]:
        yield from StandaloneLink.obstacles(self, snapshot, desired)
        netns, below = find_link(snapshot, self.parent) if self.parent is not None else (None, None)
        if self.parent is None or netns is None or below is None:
            return
        if link_key(*self.parent) not in desired:
            yield from self._on(netns, below)
        # foreign upper links that have moved to another namespace are not checked, because the list
        # has only the links of the parent's namespace
        for record in netns.links:
            kind = stacked_kind(record.kind)
            if (
                kind is None
                or record.link != below.index
                or record.link_netnsid is not None
                or record.group == self.group
            ):
                continue
            if why := self.incompatibility(kind.from_record(record)):
                upper = f"the {record.kind} {record.name} on it, which netorch did not make"
                what = f"{label_text(netns.label)}:{below.name} has {upper}: {why}"
                yield Obstacle("parent-conflict", what)

    def _on(self, netns: NetnsSnapshot, below: LinkRecord) -> Iterator[Obstacle]:
        """Yield reasons why a link that the file does not make cannot be the parent."""
        place = f"{label_text(netns.label)}:{below.name}"
        if below.flags & IFF_LOOPBACK:
            what = f"{place} is the loopback interface, which cannot carry a {self.KIND}"
            yield Obstacle("loopback", what)
        if (kind := stacked_kind(below.kind)) is not None and kind.RX_HANDLER == self.RX_HANDLER:
            why = f"Linux would put the new link on the parent of {below.name} instead"
            what = f"{place} is of kind {below.kind} itself: {why}"
            yield Obstacle("bad-parent", what, "Name that parent.")
        master = next((link for link in netns.links if link.index == below.master), None)
        if master is not None and master.kind in MASTERS and master.group != self.group:
            kind_name = MASTERS[master.kind]
            what = f"{place} is a port of the {kind_name} {master.name}, which gets all its frames"
            remedy = f"Write `parent: {master.name}`, or free {below.name}."
            yield Obstacle("bad-parent", what, remedy)

    @classmethod
    def from_record(cls, record: LinkRecord) -> Self:
        """Return any link of this kind, with only the fields in the kind's `ATTRIBUTES`."""
        own = {
            entry.key: entry.form.decode(record.data[entry.number])
            for entry in cls.ATTRIBUTES
            if entry.number in record.data
        }
        return cls(
            netns="",
            name=record.name,
            mtu=record.mtu,
            mac="",
            group=record.group,
            alias=record.alias,
            **own,
        )


KINDS = ("ipvlan", "macvlan", "macvtap")
"""The kinds that take frames from their parent. Each has a module of its name."""


def stacked_kind(kind: str) -> type[StackedLink] | None:
    """Return the resource class of a kind that takes frames from its parent, else None."""
    if kind not in KINDS:
        return None
    module = import_module(f"netorch.kinds.{kind}")
    cls: type[StackedLink] = getattr(module, kind.capitalize())
    return cls
