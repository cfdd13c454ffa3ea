"""Network namespaces that netorch makes: /run/netns/NAME, with a mark in the alias of lo."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.immutable import replace
from netorch.kinds.base.default_rules import lost_rules, rule_text
from netorch.netlink.codec import cstring
from netorch.netlink.constants import IFLA_IFALIAS
from netorch.state.key import Key, cached_key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Resource
from netorch.values.marks import ALIAS
from netorch.values.ownership import Original
from netorch.values.requests import (
    LinkSet,
    NetnsAdd,
    NetnsDel,
    Request,
    RuleAdd,
    RuleDel,
    RuleSpec,
    SysctlSet,
)
from netorch.values.snapshot import Adoption, NetnsSnapshot

IPV4_FORWARDING = "net/ipv4/ip_forward"
IPV6_FORWARDING = "net/ipv6/conf/all/forwarding"
_NO_IPV6 = (("net/ipv6/conf/default/disable_ipv6", "1"), ("net/ipv6/conf/all/disable_ipv6", "1"))
# This turns duplicate address detection off. Otherwise link-local addresses would be tentative for
# 2 seconds, in which a router resolves no neighbour and forwards nothing.
_NO_DAD = (("net/ipv6/conf/default/accept_dad", "0"),)


@cached_key
def netns_key(label: str) -> Key:
    return Key("netns", label)


@observed
class Netns(NoForeignObjects, Resource):
    """A network namespace that netorch makes.

    It includes the forwarding settings, because a new namespace may inherit those of the host. A
    file without the keys means that forwarding is off.
    """

    KIND: ClassVar[str] = "netns"
    netns: str
    alias: str
    ipv4_forwarding: bool = False
    ipv6_forwarding: bool = False
    fabric: bool = False
    lost: tuple[RuleSpec, ...] = ()
    """The kernel's own policy rules that somebody has deleted."""

    @property
    def key(self) -> Key:
        return netns_key(self.netns)

    def differs(self, before: Resource) -> bool:
        # `fabric` only says how the namespace was made and cannot be read back
        return not isinstance(before, Netns) or (
            self.ipv4_forwarding,
            self.ipv6_forwarding,
            self.lost,
        ) != (before.ipv4_forwarding, before.ipv6_forwarding, before.lost)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        if view.created and not view.netns.shares:
            ipv4, ipv6 = view.netns.forwarding
            yield cls(
                view.label,
                view.mark.alias,
                bool(ipv4),
                bool(ipv6),
                view.label == view.mark.fabric,
                lost_rules(view),
            )

    def create(self) -> Iterable[Request]:
        # The fabric needs no IPv6, because its bridges only forward frames. Without IPv6 no port
        # gets a link-local address, for which the kernel would run duplicate address detection.
        sysctls = (*self._forwarding(), *(_NO_IPV6 if self.fabric else _NO_DAD))
        return (NetnsAdd(self.netns, self.alias, sysctls),)

    def update(self, before: Self) -> Sequence[Request] | None:
        desired, previous = self._forwarding(), before._forwarding()
        return [
            *(RuleAdd(self.netns, rule) for rule in before.lost if rule not in self.lost),
            *(RuleDel(self.netns, rule) for rule in self.lost if rule not in before.lost),
            *(
                SysctlSet(self.netns, (path,), value)
                for path, value in desired
                if (path, value) not in previous
            ),
        ]

    def resets_others(self, before: Resource) -> bool:
        return isinstance(before, Netns) and self._forwarding() != before._forwarding()

    def adopt(self, netns: NetnsSnapshot) -> Adoption | str:
        if not netns.is_own:
            return "it belongs to another user namespace"
        if netns.mark.startswith(ALIAS):
            return "it has the mark of a topology"
        links = tuple(
            replace(link, alias=self.alias) if link.name == "lo" else link for link in netns.links
        )
        return Adoption(
            replace(netns, links=links),
            (_alias(self.netns, self.alias),),
            (_alias(self.netns, netns.mark),),
            Original(alias=netns.mark),
        )

    def release(self, original: Original | None = None) -> Iterable[Request]:
        return (_alias(self.netns, "" if original is None else original.alias),)

    def delete(self) -> Iterable[Request]:
        return (NetnsDel(self.netns),)

    def attributes(self) -> Mapping[str, str]:
        return {
            "ipv4 forwarding": _on(self.ipv4_forwarding),
            "ipv6 forwarding": _on(self.ipv6_forwarding),
            **({"lost rules": ", ".join(map(rule_text, self.lost))} if self.lost else {}),
        }

    def title(self) -> str:
        return f"netns {label_text(self.netns)}"

    def _forwarding(self) -> tuple[tuple[str, str], ...]:
        return (IPV4_FORWARDING, str(int(self.ipv4_forwarding))), (
            IPV6_FORWARDING,
            str(int(self.ipv6_forwarding)),
        )


def _alias(netns: str, text: str) -> LinkSet:
    """Return the request that sets the alias of lo, the mark of a namespace."""
    return LinkSet(netns, "lo", ((IFLA_IFALIAS, cstring(text) if text else b""),))


def _on(value: bool) -> str:
    return "on" if value else "off"
