"""A setting below /proc/sys/net, of a namespace or of one of its interfaces (kernel's ip-sysctl documentation)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from netorch.core import Key, Resource, shown
from netorch.kind import Nothing, View, observed
from netorch.kinds.link import link_key
from netorch.requests import Request, SysctlSet


def sysctl_paths(link: str, name: str) -> tuple[str, ...]:
    """Both families' places of an interface's setting."""
    return f"net/ipv4/conf/{link}/{name}", f"net/ipv6/conf/{link}/{name}"


def default_path(path: str) -> str | None:
    """Where the value for a new object stands: that of a new interface under `conf/default`, None for what has no such place."""
    parts = path.split("/")
    if len(parts) == 5 and parts[2] in {"conf", "neigh"} and parts[3] not in {"all", "default"}:
        return "/".join((*parts[:3], "default", parts[4]))
    return None


def interface_of(path: str) -> str | None:
    """The interface whose setting it is."""
    return path.split("/")[3] if default_path(path) else None


@observed
@dataclass(frozen=True, slots=True)
class Sysctl(Nothing, Resource):
    """`paths` holds one setting in every place where it may stand. `original`: the value from before, for the way back."""

    KIND: ClassVar[str] = "sysctl"
    netns: str
    paths: tuple[str, ...]
    value: str
    original: str | None = field(default=None, compare=False)

    @property
    def key(self) -> Key:
        return Key("sysctl", self.netns, self.paths[0])

    @property
    def within(self) -> tuple[Key, ...]:
        link = interface_of(self.paths[0])
        return (Key("netns", self.netns, ""),) if link is None else (link_key(self.netns, link),)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for paths, original in view.originals.items():
            values = {value for path in paths if (value := view.netns.sysctls.get(path)) is not None}
            if values:
                yield cls(view.label, paths, " | ".join(sorted(values)), original)

    def differs(self, before: Resource) -> bool:
        return not isinstance(before, Sysctl) or self.value != before.value

    def create(self) -> Iterable[Request]:
        return (SysctlSet(self.netns, self.paths, self.value),)

    def update(self, before: Self) -> Sequence[Request] | None:
        return [SysctlSet(self.netns, self.paths, self.value)]

    def delete(self) -> Iterable[Request]:
        if self.original is None or self.original == self.value:
            return ()
        return (SysctlSet(self.netns, self.paths, self.original),)

    def attributes(self) -> Mapping[str, str]:
        return {"value": self.value}

    def title(self) -> str:
        return f"sysctl {shown(self.netns)} {self.paths[0].replace('/', '.')}"
