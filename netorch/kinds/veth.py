"""veth pairs: the kernel makes both ends with one request, and deletes both with one request."""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.kinds.base.link import Link, common_fields, foreign_links, link_key
from netorch.kinds.netns import netns_key
from netorch.netlink.codec import cstring, u32
from netorch.netlink.constants import IFLA_GROUP, IFLA_IFALIAS
from netorch.state.key import Key, is_attached, label_text
from netorch.state.registry import View, observed, reports_unproven
from netorch.state.resource import Resource
from netorch.values.marks import read_alias
from netorch.values.requests import LinkAdd, LinkSet, PeerSettings, Request
from netorch.values.snapshot import LinkRecord

UNKNOWN = ("?", "?")
"""The other end of a veth, if the alias does not name it or the kernel does not confirm it."""


@observed
class Veth(Link):
    """One end of a veth pair.

    The request for the end that is not `far` makes both ends. Requests for the far end only set its
    attributes.
    """

    KIND: ClassVar[str] = "veth"
    FOREIGN_KIND: ClassVar[str] = "link"
    HINTS: ClassVar[tuple[str, ...]] = ("far",)
    peer: tuple[str, str] = UNKNOWN
    """The namespace label and the name of the other end."""
    far: bool = False
    """Whether the request for the other end makes this end too."""

    @property
    def paired_key(self) -> Key | None:
        return link_key(*self.peer)

    @property
    def needs(self) -> tuple[Key, ...]:
        other = netns_key(self.peer[0])
        return (other, link_key(*self.peer)) if self.far else (other,)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for link in view.made_links:
            if link.kind == "veth" and _may_go(view, link):
                partner, here = _partner(view, link), (view.label, link.name)
                # exactly one end may make the pair when a rollback makes both ends again
                far = partner != UNKNOWN and partner < here and _named(view, partner) == here
                yield cls(**common_fields(view, link), peer=partner, far=far)

    @classmethod
    def foreign_objects(cls, view: View) -> Iterator[tuple[Key, str]]:
        return foreign_links(view)

    def create(self) -> Iterator[Request]:
        if self.far:
            yield LinkSet(
                self.netns,
                self.name,
                (*self.before_joining().basic_attrs(), (IFLA_IFALIAS, cstring(self.alias))),
            )
        else:
            peer = PeerSettings(*self.peer, attrs=((IFLA_GROUP, u32(self.group)),))
            yield LinkAdd(
                self.netns, self.name, "veth", self.before_joining().basic_attrs(), peer=peer
            )
        yield from self.naming() if not self.far else list(self.naming())[1:]

    def update(self, before: Self) -> Sequence[Request] | None:
        return self.changed(before) if self.peer == before.peer else None

    def attributes(self) -> Mapping[str, str]:
        netns, name = self.peer
        return {
            "peer": f"{label_text(netns)}:{name}" if self.peer != UNKNOWN else "unknown",
            **self.common(),
        }


def _may_go(view: View, link: LinkRecord) -> bool:
    """Return whether deleting a link deletes only links of this topology.

    The deletion of one end of a veth pair deletes the other end in any namespace, and in an
    attached namespace anyone can write the mark. So the other end must have the mark too, or the
    link must be on record.
    """
    if not is_attached(view.label) or link.link_netnsid is None:
        return True
    if link.index in view.links_on_record:
        return True
    ends = (
        (view.all[label], view.all[label].links.get(link.link))
        for label in view.labels_by_nsid.get(link.link_netnsid, ())
        if label in view.all
    )
    return any(
        other is not None and other.link == link.index and there.owns(other)
        for there, other in ends
    )


@reports_unproven
def _unproven(view: View) -> Iterator[tuple[Key, str]]:
    """Yield each end of a pair that has the mark while its other end does not, with a sentence."""
    if not is_attached(view.label):
        return
    for link in view.made_links:
        if link.kind == "veth" and not _may_go(view, link):
            where = f"{label_text(view.label)}/{link.name}"
            topology = view.mark.topology
            yield (
                link_key(view.label, link.name),
                f"{where} says that {topology} made it, and its other end, in another namespace,"
                " does not: netorch leaves it alone",
            )


def _named(view: View, end: tuple[str, str]) -> tuple[str, str] | None:
    """Return the other end of a pair that the alias of one end names."""
    return read_alias(view.all[end[0]].by_name[end[1]].alias).peer


def _partner(view: View, link: LinkRecord) -> tuple[str, str]:
    """Return the other end of a pair, or UNKNOWN.

    It is the end that the alias names, if the indices that the kernel reports for both ends confirm
    it.
    """
    peer = read_alias(link.alias).peer
    if peer is None or peer[0] not in view.all:
        return UNKNOWN
    other = view.all[peer[0]].by_name.get(peer[1])
    if other is None or other.index != link.link or other.link != link.index:
        return UNKNOWN
    here = peer[0] == view.label
    if (link.link_netnsid is None) != here or (other.link_netnsid is None) != here:
        return UNKNOWN
    return peer
