"""Second names of namespaces that netorch makes: another file in /run/netns for one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from netorch.kinds.netns import netns_key
from netorch.state.key import Key, cached_key, label_text
from netorch.state.registry import View, observed
from netorch.state.resource import Resource
from netorch.values.requests import NameAdd, NameDel, Request
from netorch.values.snapshot import Adoption, NetnsSnapshot


@cached_key
def name_key(name: str) -> Key:
    return Key("name", name)


def names_in(keys: Iterable[Key]) -> frozenset[str]:
    """Return the names in /run/netns that are among these objects, first and second ones."""
    return frozenset(key.netns for key in keys if key.kind in ("netns", "name"))


@observed
class SecondName(Resource):
    """The name of a node that shares the namespace of another node.

    A name has no room for a mark. It belongs to the topology if the namespace does, and if the
    record, where there is one, has the name.
    """

    KIND: ClassVar[str] = "name"
    FOREIGN_KIND: ClassVar[str] = "name"
    netns: str
    target: str
    """The label of the namespace."""

    @property
    def key(self) -> Key:
        return name_key(self.netns)

    @property
    def needs(self) -> tuple[Key, ...]:
        return (netns_key(self.target),)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        if view.netns.shares and view.created:
            yield cls(view.label, view.netns.shares)

    @classmethod
    def foreign_objects(cls, view: View) -> Iterator[tuple[Key, str]]:
        if view.netns.shares and not view.created:
            yield (
                name_key(view.label),
                f"/run/netns/{view.label} is another name of the namespace"
                f" {view.netns.shares!r}, and netorch did not make it",
            )

    def create(self) -> Iterable[Request]:
        return (NameAdd(self.netns, self.target),)

    def delete(self) -> Iterable[Request]:
        return (NameDel(self.netns),)

    def adopt(self, netns: NetnsSnapshot) -> Adoption | str:
        if netns.shares != self.target:
            return f"it is not a name of the namespace {self.target!r}"
        return Adoption(netns, (), ())

    def attributes(self) -> Mapping[str, str]:
        return {"namespace": label_text(self.target)}

    def title(self) -> str:
        return f"name {label_text(self.netns)}"
