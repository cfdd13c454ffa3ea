"""A setting below /proc/sys/net, of a namespace or of one of its interfaces (kernel's ip-sysctl documentation)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.kinds.base.link import Link, link_key
from netorch.kinds.netns import IPV4_FORWARDING, IPV6_FORWARDING, Netns, netns_key
from netorch.kinds.up import up_key
from netorch.netlink.constants import IPV6_MIN_MTU
from netorch.state.key import Key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Resource
from netorch.values.requests import Request, SysctlSet
from netorch.values.sysctl_paths import IPV6_ONLY, default_path

SysctlValues = tuple[str, ...]
"""The value that a setting has in all of its places, or one for each place where those differ; empty if it is in none."""
_DOTTED = str.maketrans("/.", "./")
"""A path as sysctl(8) writes it, where the dot in eth0.100 is a slash."""


def sysctl_key(netns: str, path: str) -> Key:
    """`path`: the first of the places where the setting may stand."""
    return Key("sysctl", netns, path)


def sysctl_paths(link: str, name: str) -> tuple[str, ...]:
    """Both families' places of an interface's setting, that of IPv6 alone of one that only IPv6 has."""
    ipv4, ipv6 = f"net/ipv4/conf/{link}/{name}", f"net/ipv6/conf/{link}/{name}"
    return (ipv6,) if name in IPV6_ONLY else (ipv4, ipv6)


def interface_of(path: str) -> str | None:
    """The interface whose setting it is."""
    return path.split("/")[3] if default_path(path) else None


def values_in(there: Mapping[str, str], paths: Sequence[str]) -> SysctlValues:
    """What a setting has in its places, by what was read there."""
    found = tuple(there[path] for path in paths if path in there)
    return found[:1] if len(set(found)) == 1 else found


_IPV4, _IPV6 = "net/ipv4/conf/", "net/ipv6/conf/"
_REDIRECTS = frozenset(("forwarding", "accept_redirects"))
_FORWARDS = frozenset(("forwarding",))
_OF_ALL = {
    # inet_forward_change in net/ipv4/devinet.c
    IPV4_FORWARDING: (
        (_IPV4, _FORWARDS),
        (f"{_IPV4}all/", _REDIRECTS),
        (f"{_IPV4}default/", _REDIRECTS),
    ),
    f"{_IPV4}all/forwarding": (
        (_IPV4, _FORWARDS),
        (f"{_IPV4}all/", _REDIRECTS),
        (f"{_IPV4}default/", _REDIRECTS),
    ),
    # addrconf_forward_change and addrconf_disable_change in net/ipv6/addrconf.c
    IPV6_FORWARDING: ((_IPV6, _FORWARDS),),
    f"{_IPV6}all/disable_ipv6": ((_IPV6, frozenset(("disable_ipv6",))),),
}
"""Setting → where the settings stand that the kernel sets with it, and their names."""


def _is_ipv6(path: str) -> bool:
    return path.startswith(_IPV6)


@observed
class Sysctl(NoForeignObjects, Resource):
    """`paths` holds one setting in every place where it may stand. `original`: what it had before, for the way back.

    `after`: that the far end of its interface's cable is up.
    """

    KIND: ClassVar[str] = "sysctl"
    HINTS: ClassVar[tuple[str, ...]] = ("original", "after")
    netns: str
    paths: tuple[str, ...]
    values: SysctlValues
    original: SysctlValues | None = None
    after: tuple[Key, ...] = ()

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
        if link is None:
            return (netns_key(self.netns),)
        if self.follows_link:
            return link_key(self.netns, link), up_key(self.netns, link)
        return (link_key(self.netns, link),)

    @property
    def needs(self) -> tuple[Key, ...]:
        return self.after if self.follows_link else ()

    @property
    def follows_link(self) -> bool:
        """The IPv6 MTU: the link's when that comes up, has a carrier for the first time, or gets another MTU (addrconf_notify)."""
        path = self.paths[0]
        return path.startswith("net/ipv6/conf/") and path.endswith("/mtu")

    def resets_others(self, before: Resource) -> bool:
        return self.paths[0] in _OF_ALL

    def is_reset_by(self, before: Resource, after: Resource) -> bool:
        if isinstance(after, Link) and isinstance(before, Link):
            if link_key(self.netns, interface_of(self.paths[0]) or "") != after.key:
                return False
            new = before.mtu < IPV6_MIN_MTU <= after.mtu
            return self.follows_link or (new and any(map(_is_ipv6, self.paths)))
        if isinstance(after, Netns) and isinstance(before, Netns):
            changed = (
                *((IPV4_FORWARDING,) if before.ipv4_forwarding != after.ipv4_forwarding else ()),
                *((IPV6_FORWARDING,) if before.ipv6_forwarding != after.ipv6_forwarding else ()),
            )
            return after.key.netns == self.netns and any(map(self._hangs_on, changed))
        return (
            isinstance(after, Sysctl)
            and after.netns == self.netns
            and any(map(self._hangs_on, after.paths))
        )

    def _hangs_on(self, path: str) -> bool:
        """Whether the kernel sets this one anew with that one, a setting of all interfaces."""
        return path not in self.paths and any(
            own.startswith(prefix) and own.rpartition("/")[2] in names
            for prefix, names in _OF_ALL.get(path, ())
            for own in self.paths
        )

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
            link = interface_of(self.paths[0]) if self.follows_link else None
            return [SysctlSet(self.netns, self.paths, values[0], settled=link or "")]
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
