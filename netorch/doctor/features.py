"""The language against the kernel: what a kernel may be built without, and which keys of a file need it."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum

from netorch import kinds
from netorch.doctor.checks import rootless
from netorch.doctor.findings import Situation
from netorch.firewall.syntax import SYNTAXES, syntax_of
from netorch.immutable import Value, replace
from netorch.kernel.machine.modules import Modules
from netorch.kinds.address import IPV6
from netorch.kinds.base.standalone import StandaloneModel, link_feature
from netorch.kinds.bridge import VLAN_FILTERING
from netorch.kinds.impair import FEATURES as QDISCS
from netorch.kinds.ipvlan import L3S
from netorch.netlink.constants import AF_INET, FR_ACT_TO_TBL, RT_SCOPE_LINK, RTN_UNICAST
from netorch.state.registry import INTERFACE_WORDS
from netorch.values.requests import Feature, Hop, RouteAdd, RouteSpec, RuleAdd, RuleSpec

_STATIC = 4
"""RTPROT_STATIC."""

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
    # lo is down, which a kernel that has them finds out later
    frozenset((errno.EINVAL,)),
)


class State(Enum):
    YES = "yes"
    NO = "no"
    ON_DEMAND = "on demand"
    UNKNOWN = "unknown"


class Ability(Value):
    """One thing that this kernel can or cannot do. `keys`: the keys of the language that need it. `hint`: what would help."""

    what: str
    state: State
    keys: str
    module: str = ""
    config: str = ""
    hint: str = ""


Ask = Callable[[Sequence[Feature]], Sequence[Feature] | None]
"""Which of these features the kernel does not have; None where it may not be asked."""


def abilities(situation: Situation, ask: Ask) -> list[Ability]:
    """All that can be told; of a kernel that may not be asked what its files say."""
    wanted = list(_wanted())
    modules = situation.machine.modules
    asked = [feature for _, feature in wanted if not _known(feature, modules)]
    lacking = ask(asked)
    found = [
        Ability(
            what=feature.what,
            state=_state(feature, modules, lacking),
            keys=keys,
            module=feature.module,
            config=feature.config,
            hint=feature.remedy,
        )
        for keys, feature in wanted
    ]
    merged: dict[str, Ability] = {}
    for ability in found:
        before = merged.setdefault(ability.what, ability)
        if before is not ability:
            merged[ability.what] = replace(before, keys=f"{before.keys}, {ability.keys}")
    return [*merged.values(), *_others(situation, modules)]


def _wanted() -> Iterator[tuple[str, Feature]]:
    """Keys of the language, and the feature that they need, one line for each feature."""
    assert kinds
    keys: dict[Feature, list[str]] = {
        link_feature("veth", "CONFIG_VETH", "veth"): ["links", "networks", "kind: veth"],
        link_feature("bridge", "CONFIG_BRIDGE", "bridge"): ["networks", "kind: bridge"],
        VLAN_FILTERING: ["vlan_filtering", "port: {vlans, pvid}"],
        IPV6: ["IPv6 addresses, routes and subnets"],
    }
    for kind, words in sorted(INTERFACE_WORDS.items()):
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
    for feature, needing in keys.items():
        yield ", ".join(needing), feature


def _known(feature: Feature, modules: Modules) -> bool:
    """Whether the kernel would load it when asked: trying it would do just that."""
    return feature.module.replace("-", "_") in modules.loadable


def _state(feature: Feature, modules: Modules, lacking: Sequence[Feature] | None) -> State:
    if _known(feature, modules):
        return State.ON_DEMAND
    if lacking is not None:
        return State.NO if feature in lacking else State.YES
    return State.YES if feature.module.replace("-", "_") in modules.there else State.UNKNOWN


def _others(situation: Situation, modules: Modules) -> Iterator[Ability]:
    """What no single request tells."""
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
        "none; where it is, firewalls see bridged frames",
        "br_netfilter",
        "CONFIG_BRIDGE_NETFILTER",
    )
    reason = rootless(situation)
    unknown = "user/max_user_namespaces" not in situation.machine.sysctls
    state = State.NO if reason or unknown else State.YES
    yield Ability(
        what="user namespaces",
        state=state,
        keys="none; netorch without root, in `unshare -Urnm`",
        module="",
        config="CONFIG_USER_NS",
        hint=reason,
    )
