"""A setting below /proc/sys/net, of a namespace or of one of its interfaces (kernel's ip-sysctl documentation)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.kinds.base.link import link_key
from netorch.kinds.netns import netns_key
from netorch.state.key import Key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Resource
from netorch.values.requests import Request, SysctlSet
from netorch.values.sysctl_paths import default_path

SysctlValues = tuple[str, ...]
"""The value that a setting has in all of its places, or one for each place where those differ; empty if it is in none."""
_DOTTED = str.maketrans("/.", "./")
"""A path as sysctl(8) writes it, where the dot in eth0.100 is a slash."""


def sysctl_key(netns: str, path: str) -> Key:
    """`path`: the first of the places where the setting may stand."""
    return Key("sysctl", netns, path)


def sysctl_paths(link: str, name: str) -> tuple[str, ...]:
    """Both families' places of an interface's setting."""
    return f"net/ipv4/conf/{link}/{name}", f"net/ipv6/conf/{link}/{name}"


def interface_of(path: str) -> str | None:
    """The interface whose setting it is."""
    return path.split("/")[3] if default_path(path) else None


def values_in(there: Mapping[str, str], paths: Sequence[str]) -> SysctlValues:
    """What a setting has in its places, by what was read there."""
    found = tuple(there[path] for path in paths if path in there)
    return found[:1] if len(set(found)) == 1 else found


@observed
class Sysctl(NoForeignObjects, Resource):
    """`paths` holds one setting in every place where it may stand. `original`: what it had before, for the way back."""

    KIND: ClassVar[str] = "sysctl"
    HINTS: ClassVar[tuple[str, ...]] = ("original",)
    netns: str
    paths: tuple[str, ...]
    values: SysctlValues
    original: SysctlValues | None = None

    @property
    def value(self) -> str:
        """As a person reads it."""
        return " | ".join(self.values)

    @property
    def key(self) -> Key:
        return sysctl_key(self.netns, self.paths[0])

    @property
    def dies_with(self) -> tuple[Key, ...]:
        link = interface_of(self.paths[0])
        return (netns_key(self.netns),) if link is None else (link_key(self.netns, link),)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for paths, original in view.originals.items():
            if values := values_in(view.netns.sysctls, paths):
                yield cls(view.label, paths, values, original)

    def differs(self, before: Resource) -> bool:
        return not isinstance(before, Sysctl) or self.values != before.values

    def create(self) -> Iterable[Request]:
        return self._set(self.values)

    def update(self, before: Self) -> Sequence[Request] | None:
        return self._set(self.values)

    def delete(self) -> Iterable[Request]:
        if self.original is None or self.original == self.values:
            return ()
        return self._set(self.original)

    def _set(self, values: SysctlValues) -> Sequence[Request]:
        if len(values) == 1:
            return [SysctlSet(self.netns, self.paths, values[0])]
        return [
            SysctlSet(self.netns, (path,), value)
            for path, value in zip(self.paths, values, strict=True)
        ]

    def trial(self) -> SysctlSet:
        """The same setting in a namespace that has nothing but lo: of an interface, lo's."""
        link = interface_of(self.paths[0])
        paths = self.paths
        if link is not None:
            paths = tuple(path.replace(f"/{link}/", "/lo/", 1) for path in paths)
        return SysctlSet("", paths, self.values[0])

    def attributes(self) -> Mapping[str, str]:
        return {"value": self.value}

    def title(self) -> str:
        return f"sysctl {label_text(self.netns)} {self.paths[0].translate(_DOTTED)}"
