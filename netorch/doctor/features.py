"""The features that a kernel may be built without, and the keys of a file that need them."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum

from netorch.doctor.checks import rootless
from netorch.doctor.findings import Situation
from netorch.firewall.syntax import SYNTAXES, syntax_of
from netorch.immutable import Value, replace
from netorch.kernel.machine.modules import Modules
from netorch.kinds.address import IPV6
from netorch.kinds.base.encaps import FEATURES as ENCAPS
from netorch.kinds.base.standalone import link_feature
from netorch.kinds.bridge import VLAN_FILTERING
from netorch.kinds.impair import FEATURES as QDISCS
from netorch.kinds.ipvlan import L3S
from netorch.netlink.constants import AF_INET, FR_ACT_TO_TBL, RT_SCOPE_LINK, RTN_UNICAST
from netorch.netlink.encap import KINDS
from netorch.topology import models
from netorch.topology.interfaces.standalone import StandaloneModel
from netorch.values.requests import Feature, Hop, RouteAdd, RouteSpec, RuleAdd, RuleSpec

_STATIC = 4
"""The protocol number of static routes, RTPROT_STATIC."""

_RULES = Feature(
    "policy rules",
    "CONFIG_IP_MULTIPLE_TABLES",
    "",
    (RuleAdd("", RuleSpec(AF_INET, 1000, FR_ACT_TO_TBL, 100, _STATIC)),),
    frozenset((errno.EOPNOTSUPP, errno.EAFNOSUPPORT)),
)
_MULTIPATH = Feature(
    "routes with several next hops",
    "CONFIG_IP_ROUTE_MULTIPATH",
    "",
    (
        RouteAdd(
            "",
            RouteSpec(
                family=AF_INET,
                dst=bytes((192, 0, 2, 0)),
                prefixlen=24,
                table=254,
                metric=0,
                type=RTN_UNICAST,
                scope=RT_SCOPE_LINK,
                protocol=_STATIC,
                hops=(Hop(None, "lo"), Hop(None, "lo")),
            ),
        ),
    ),
    # a kernel with the feature refuses too, because lo is down, but with another errno
    frozenset((errno.EINVAL,)),
)


class State(Enum):
    YES = "yes"
    NO = "no"
    ON_DEMAND = "on demand"
    UNKNOWN = "unknown"


class Ability(Value):
    """One feature that this kernel may have or lack."""

    what: str
    """The name of the feature, such as `veth links`."""
    state: State
    keys: str
    """The keys of the language that need it."""
    module: str = ""
    """The kernel module that has it."""
    config: str = ""
    """The kernel's build option."""
    hint: str = ""
    """What would help, or why it does not work."""


FindLacking = Callable[[Sequence[Feature]], Sequence[Feature] | None]
"""Returns the features that the kernel lacks, or None if netorch may not try them."""


def abilities(situation: Situation, find_lacking: FindLacking) -> list[Ability]:
    """Return the state of every feature.

    Without the privilege to try them, the states come from the kernel's module files alone.
    """
    required = list(_required())
    modules = situation.machine.modules
    untested = [feature for _, feature in required if not _loads_on_demand(feature, modules)]
    lacking = find_lacking(untested)
    features = [
        Ability(
            what=feature.what,
            state=_state(feature, modules, lacking),
            keys=keys,
            module=feature.module,
            config=feature.config,
            hint=feature.remedy,
        )
        for keys, feature in required
    ]
    merged: dict[str, Ability] = {}
    for ability in features:
        before = merged.setdefault(ability.what, ability)
        if before is not ability:
            merged[ability.what] = replace(before, keys=f"{before.keys}, {ability.keys}")
    return [*merged.values(), *_further_abilities(situation, modules)]


def _required() -> Iterator[tuple[str, Feature]]:
    """Yield the keys of the language that need a feature, and the feature."""
    keys: dict[Feature, list[str]] = {
        link_feature("veth", "CONFIG_VETH", "veth"): ["links", "networks", "kind: veth"],
        link_feature("bridge", "CONFIG_BRIDGE", "bridge"): ["networks", "kind: bridge"],
        VLAN_FILTERING: ["vlan_filtering", "port: {vlans, pvid}"],
        IPV6: ["IPv6 addresses, routes and subnets"],
    }
    for kind, words in models():
        if issubclass(words, StandaloneModel):
            for feature in words.MAKES.kernel_features():
                keys.setdefault(feature, []).append(f"kind: {kind}")
                if kind in ("macvlan", "ipvlan", "vxlan"):
                    keys[feature].append(f"driver: {kind}")
    keys[L3S] = ["mode: l3s"]
    keys[QDISCS["netem"]] = ["impair: delay, jitter, loss, duplicate, corrupt, reorder"]
    keys[QDISCS["tbf"]] = ["impair: rate alone"]
    keys[_RULES] = ["rules"]
    keys[_MULTIPATH] = ["routes: nexthops"]
    for number, feature in ENCAPS.items():
        keys.setdefault(feature, []).append(f"encap: {KINDS[number]}")
    for feature, needing in keys.items():
        yield ", ".join(needing), feature


def _loads_on_demand(feature: Feature, modules: Modules) -> bool:
    """Whether the kernel would load a module for the feature.

    doctor does not try such a feature, because that would load the module.
    """
    return feature.module.replace("-", "_") in modules.loadable


def _state(feature: Feature, modules: Modules, lacking: Sequence[Feature] | None) -> State:
    if _loads_on_demand(feature, modules):
        return State.ON_DEMAND
    if lacking is not None:
        return State.NO if feature in lacking else State.YES
    return State.YES if feature.module.replace("-", "_") in modules.present else State.UNKNOWN


def _further_abilities(situation: Situation, modules: Modules) -> Iterator[Ability]:
    """Yield the features that one request to the kernel cannot try."""
    nat = "networks: mode nat and routed, isolation, publish, nat"
    backends: Mapping[str, str | None] = situation.backends
    for name in SYNTAXES:
        module, config = syntax_of(name).MODULE, syntax_of(name).CONFIG
        reason = backends.get(name)
        on_demand = name not in backends and module in modules.loadable
        state = (
            State.ON_DEMAND
            if on_demand
            else State.UNKNOWN
            if name not in backends
            else State.NO
            if reason
            else State.YES
        )
        keys = f"{nat} (with `backend: {{nat: {name}}}`, or auto)"
        yield Ability(
            what=f"NAT by {name}",
            state=state,
            keys=keys,
            module=module,
            config=config,
            hint=reason or "",
        )
    tracked = "net/netfilter/nf_conntrack_max" in situation.machine.sysctls
    on_demand = "nf_conntrack" in modules.loadable
    working = None in backends.values()
    state = (
        State.YES
        if tracked or working
        else State.ON_DEMAND
        if on_demand
        else State.NO
        if backends
        else State.UNKNOWN
    )
    yield Ability("connection tracking", state, nat, "nf_conntrack", "CONFIG_NF_CONNTRACK")
    bridged = any(path.startswith("net/bridge/") for path in situation.machine.sysctls)
    state = (
        State.YES
        if bridged
        else State.ON_DEMAND
        if "br_netfilter" in modules.loadable
        else State.NO
    )
    yield Ability(
        "br_netfilter",
        state,
        "nothing; with it, bridged frames go through firewalls",
        "br_netfilter",
        "CONFIG_BRIDGE_NETFILTER",
    )
    reason = rootless(situation)
    unknown = "user/max_user_namespaces" not in situation.machine.sysctls
    state = State.NO if reason or unknown else State.YES
    yield Ability(
        what="user namespaces",
        state=state,
        keys="nothing; with them, netorch works without root in `unshare -Urnm`",
        module="",
        config="CONFIG_USER_NS",
        hint=reason,
    )
