"""What macvlan, macvtap and ipvlan have in common: each takes a part of its parent's frames.

The kernel hands a link's frames to one taker (netdev_rx_handler_register in net/core/dev.c): a parent is for macvlans, or for ipvlans, or
it is the port of a bridge or bond, and one of these only.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Self

from netorch.kinds.base.link import link_key
from netorch.kinds.base.standalone import StandaloneLink, StandaloneModel, find, value_text
from netorch.netlink.constants import IFF_LOOPBACK
from netorch.state.key import label_text
from netorch.state.resource import Obstacle, State
from netorch.values.snapshot import LinkRecord, NetnsSnapshot, Snapshot

MASTERS = {"bridge": "bridge", "bond": "bond", "team": "team", "openvswitch": "Open vSwitch"}
"""Kinds of masters that take their ports' frames, in words."""


class StackedLink(StandaloneLink):
    """`RX_HANDLER`: the driver that gets the parent's frames; of one driver there can be many links on a parent."""

    RX_HANDLER: ClassVar[str] = ""
    FITS_PARENT: ClassVar[bool] = True
    mode: str = ""

    def incompatibility(self, other: "StackedLink") -> str:
        """Why Linux cannot have both on one parent; "" if it can."""
        return (
            ""
            if self.RX_HANDLER == other.RX_HANDLER
            else f"a parent takes {self.RX_HANDLER}s or {other.RX_HANDLER}s, never both"
        )

    def own(self) -> Mapping[str, str]:
        # a person looks for the mode, even where it is the default
        return {
            attribute.key: value_text(getattr(self, attribute.key)) for attribute in self.ATTRIBUTES
        }

    def obstacles(self, snapshot: Snapshot, desired: State) -> Iterator[Obstacle]:
        yield from StandaloneLink.obstacles(self, snapshot, desired)
        netns, below = find(snapshot, self.parent) if self.parent is not None else (None, None)
        if self.parent is None or netns is None or below is None:
            return
        if link_key(*self.parent) not in desired:
            yield from self._on(netns, below)
        # those of others that moved to another namespace are not seen from here
        for record in netns.links:
            kind = KINDS.get(record.kind)
            if (
                kind is None
                or record.link != below.index
                or record.link_netnsid is not None
                or record.group == self.group
            ):
                continue
            if why := self.incompatibility(kind.seen(record)):
                there = f"the {record.kind} {record.name} of others on it"
                what = f"{label_text(netns.label)}:{below.name} has {there}, and {why}"
                yield Obstacle("parent-conflict", what)

    def _on(self, netns: NetnsSnapshot, below: LinkRecord) -> Iterator[Obstacle]:
        """What a parent that the file does not make cannot be."""
        place = f"{label_text(netns.label)}:{below.name}"
        if below.flags & IFF_LOOPBACK:
            what = f"{place} is the loopback interface, which carries no {self.KIND}"
            yield Obstacle("loopback", what)
        if (kind := KINDS.get(below.kind)) is not None and kind.RX_HANDLER == self.RX_HANDLER:
            why = "Linux would put it beside that, on the same parent"
            what = f"{place} is of kind {below.kind} itself: {why}"
            yield Obstacle("bad-parent", what, "Name that parent.")
        master = next((link for link in netns.links if link.index == below.master), None)
        if master is not None and master.kind in MASTERS and master.group != self.group:
            what = f"{place} is a port of the {MASTERS[master.kind]} {master.name}, which gets all its frames"
            remedy = f"Say `parent: {master.name}`, or free {below.name}."
            yield Obstacle("bad-parent", what, remedy)

    @classmethod
    def seen(cls, record: LinkRecord) -> Self:
        """Anybody's link of this kind, as far as the kind's own table goes."""
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


KINDS: dict[str, type[StackedLink]] = {}
"""The kernel's name of such a kind → its resource."""


def stacked(cls: type[StackedLink]) -> type[StackedLink]:
    """Class decorator: links of this kind, whosever they are, are known for what they are."""
    KINDS[cls.KIND] = cls
    return cls


class StackedModel(StandaloneModel):
    """The words of such a kind."""

    MAKES: ClassVar[type[StandaloneLink]]
    FAR_PARENT: ClassVar[bool] = True
