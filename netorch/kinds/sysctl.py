"""Sysctls below /proc/sys/net, of namespaces and of their interfaces.

The kernel describes them in Documentation/networking/ip-sysctl.rst.
"""

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
from netorch.values.requests import Feature, Request, SysctlSet
from netorch.values.sysctl_paths import IPV6_ONLY, default_path

SysctlValues = tuple[str, ...]
"""The values of a setting: one if it is the same at all paths, else one for each path.

Empty if none of the paths exists.
"""
_DOTTED = str.maketrans("/.", "./")
"""Translates a path to the form in sysctl(8), where the dot in eth0.100 becomes a slash."""


def sysctl_key(netns: str, path: str) -> Key:
    """Return the key of a setting. `path` is the first of its paths."""
    return Key("sysctl", netns, path)


def sysctl_paths(link: str, name: str) -> tuple[str, ...]:
    """Return the paths of an interface's setting for IPv4 and IPv6, or for IPv6 alone."""
    ipv4, ipv6 = f"net/ipv4/conf/{link}/{name}", f"net/ipv6/conf/{link}/{name}"
    return (ipv6,) if name in IPV6_ONLY else (ipv4, ipv6)


def interface_of(path: str) -> str | None:
    """Return the interface that a setting belongs to; None for a setting of the namespace."""
    return path.split("/")[3] if default_path(path) else None


def values_in(sysctls: Mapping[str, str], paths: Sequence[str]) -> SysctlValues:
    """Return the values of a setting at its paths from all sysctls that were read."""
    values = tuple(sysctls[path] for path in paths if path in sysctls)
    return values[:1] if len(set(values)) == 1 else values


_IPV4, _IPV6 = "net/ipv4/conf/", "net/ipv6/conf/"
_REDIRECTS = frozenset(("forwarding", "accept_redirects"))
_FORWARDS = frozenset(("forwarding",))
_OF_ALL = {
    # according to inet_forward_change in net/ipv4/devinet.c
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
    # according to addrconf_forward_change and addrconf_disable_change in net/ipv6/addrconf.c
    IPV6_FORWARDING: ((_IPV6, _FORWARDS),),
    f"{_IPV6}all/disable_ipv6": ((_IPV6, frozenset(("disable_ipv6",))),),
}
"""Setting → the settings that the kernel sets with it, as prefixes of paths and names."""


def _is_ipv6(path: str) -> bool:
    return path.startswith(_IPV6)


@observed
class Sysctl(NoForeignObjects, Resource):
    """A setting of a namespace or of an interface."""

    KIND: ClassVar[str] = "sysctl"
    HINTS: ClassVar[tuple[str, ...]] = ("original", "after")
    netns: str
    paths: tuple[str, ...]
    """All paths at which the setting may exist."""
    values: SysctlValues
    original: SysctlValues | None = None
    """The values from before the first apply, to restore when the setting is deleted."""
    after: tuple[Key, ...] = ()
    """The key of the state `up` of the other end, if the interface is one end of a cable.

    A sysctl that `follows_link` is written after it, because the kernel resets the sysctl when the
    link gets a carrier.
    """

    @property
    def value(self) -> str:
        """The values as users see them."""
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
    def features(self) -> tuple[Feature, ...]:
        if not self.paths[0].startswith("net/mpls/"):
            return ()
        from netorch.kinds.base.encaps import MPLS

        # trying the feature loads the module, without which the settings do not exist
        return (MPLS,)

    @property
    def follows_link(self) -> bool:
        """Whether it is an IPv6 MTU.

        The kernel sets that to the link's MTU when the link comes up, gets a carrier for the first
        time or gets another MTU (addrconf_notify).
        """
        path = self.paths[0]
        return path.startswith("net/ipv6/conf/") and path.endswith("/mtu")

    def resets_others(self, before: Resource) -> bool:
        return self.paths[0] in _OF_ALL

    @property
    def reset_with(self) -> tuple[Key, ...]:
        link = interface_of(self.paths[0])
        return (
            *((link_key(self.netns, link),) if link is not None else ()),
            netns_key(self.netns),
            *(sysctl_key(self.netns, path) for path in _OF_ALL),
        )

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
        """Return whether the kernel resets this setting with `path`, that of all interfaces."""
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
        """Return a request that tries the value in a namespace with only lo.

        A setting of an interface is tried on lo.
        """
        link = interface_of(self.paths[0])
        paths = self.paths
        if link is not None:
            paths = tuple(path.replace(f"/{link}/", "/lo/", 1) for path in paths)
        return SysctlSet("", paths, self.values[0])

    def attributes(self) -> Mapping[str, str]:
        return {"value": self.value}

    def title(self) -> str:
        return f"sysctl {label_text(self.netns)} {self.paths[0].translate(_DOTTED)}"
