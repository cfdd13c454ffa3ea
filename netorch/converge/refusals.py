"""Linux's refusals in a person's words: intent, object, the kernel's own sentence, and what to do."""

from __future__ import annotations

import errno as numbers

from netorch.converge.execute import Refusal
from netorch.errors import Problem
from netorch.kernel.system.error_text import sentence
from netorch.resolve.loader import Loaded
from netorch.values.requests import (
    AddressAdd,
    LinkAdd,
    LinkSet,
    NetnsAdd,
    NicTake,
    Request,
    RouteAdd,
    RuleAdd,
    SysctlSet,
    TunSet,
    UplinkJoin,
)

_VERBS = {
    "create": "create",
    "replace": "replace",
    "update": "change",
    "flap": "change",
    "delete": "delete",
}


def problem_of(refusal: Refusal, loaded: Loaded | None) -> Problem:
    """A refused step as a problem, with its place in the file if there is one."""
    what, remedy = describe(refusal)
    where = loaded.where(loaded.desired.origins.get(refusal.step.key, ())) if loaded else None
    return Problem(what, where, remedy)


def describe(refusal: Refusal) -> tuple[str, str]:
    """(what went wrong, remedy) of a refused step."""
    step, failure = refusal.step, refusal.failure
    verb = _VERBS[step.disruption.value]
    words = failure.sentence.rstrip(".")
    system = sentence(failure.errno)
    said = f"{words} ({system})" if words and not system.startswith(f"{words},") else system
    return f"{verb} {step.resource.title()}: {said}.", remedy(failure.request, failure.errno)


def remedy(request: Request, number: int) -> str:
    """What a person can do about it; nothing where only the sentence itself helps."""
    for kinds, errors, text in _REMEDIES:
        if isinstance(request, kinds) and number in errors:
            return text
    return _GENERAL.get(number, "")


_REMEDIES: tuple[tuple[type | tuple[type, ...], frozenset[int], str], ...] = (
    (
        RouteAdd,
        frozenset({numbers.ENETUNREACH, numbers.EHOSTUNREACH, numbers.EINVAL}),
        "Is the gateway in the subnet of an address of this node? If it is on the link all the same, say `onlink: true` and `dev`.",
    ),
    (RouteAdd, frozenset({numbers.ENETDOWN}), "Is the interface `state: down`?"),
    (RouteAdd, frozenset({numbers.ENODEV}), "Name an existing interface as `dev`."),
    (
        RouteAdd,
        frozenset({numbers.EEXIST}),
        "Another route has this destination, table and metric: give one of them another metric.",
    ),
    (
        LinkAdd,
        frozenset({numbers.EOPNOTSUPP}),
        "This kernel lacks the link kind: load its module (modprobe), or take a kernel that has it.",
    ),
    (
        (LinkAdd, NetnsAdd),
        frozenset({numbers.EEXIST}),
        "Something made it a moment ago: see whose it is with `ip link` or `ip netns`, and apply again.",
    ),
    (LinkSet, frozenset({numbers.ENETDOWN}), "Is the interface that it rides on up?"),
    (
        (LinkAdd, LinkSet),
        frozenset({numbers.EBUSY}),
        "Something else gets the frames of the interface below: it is a port of a bridge, or carries macvlans or ipvlans, perhaps of"
        " another namespace.",
    ),
    (LinkSet, frozenset({numbers.EXFULL}), "A bridge takes 1,023 ports."),
    (LinkSet, frozenset({numbers.ELOOP}), "A bridge cannot be a port of a bridge."),
    (
        LinkSet,
        frozenset({numbers.ERANGE, numbers.EINVAL}),
        "Is the value within what the kernel allows for this kind of link?",
    ),
    (
        AddressAdd,
        frozenset({numbers.EACCES}),
        "IPv6 is off on this interface: set the sysctl disable_ipv6 to 0.",
    ),
    (
        AddressAdd,
        frozenset({numbers.EOPNOTSUPP, numbers.EAFNOSUPPORT}),
        "This kernel has no IPv6: load the module ipv6.",
    ),
    (
        UplinkJoin,
        frozenset({numbers.ENODEV}),
        "Name an interface that is there as `uplink`: `ip link` lists them.",
    ),
    (
        UplinkJoin,
        frozenset({numbers.EOPNOTSUPP, numbers.EINVAL, numbers.ELOOP}),
        "Only an Ethernet interface can be an `uplink`, and no wireless one.",
    ),
    (
        UplinkJoin,
        frozenset({numbers.EBUSY}),
        "Something else works on the interface already, such as a macvlan or another bridge.",
    ),
    (
        UplinkJoin,
        frozenset({numbers.EACCES}),
        "IPv6 is off on new interfaces: set the sysctl net.ipv6.conf.default.disable_ipv6 to 0.",
    ),
    (
        NicTake,
        frozenset({numbers.EINVAL, numbers.EOPNOTSUPP}),
        "Not every interface can leave its namespace: a wireless one goes with its phy (`iw phy PHY set netns`).",
    ),
    (TunSet, frozenset({numbers.EBUSY}), "End the program first, then apply again."),
    (
        RuleAdd,
        frozenset({numbers.EOPNOTSUPP, numbers.EAFNOSUPPORT}),
        "This kernel lacks policy routing (CONFIG_IP_MULTIPLE_TABLES).",
    ),
    (
        SysctlSet,
        frozenset({numbers.ENOENT}),
        "This kernel has no such setting (in a network namespace).",
    ),
    (SysctlSet, frozenset({numbers.EINVAL}), "The kernel does not take this value."),
    (
        SysctlSet,
        frozenset({numbers.EROFS, numbers.EACCES, numbers.EPERM}),
        "/proc/sys is read-only here: run netorch where it can be written.",
    ),
)

_GENERAL = {
    numbers.EPERM: "netorch needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN).",
    numbers.EMFILE: "Too many open files: raise the limit (ulimit -n).",
    numbers.ENOSPC: "Is /run full, or user.max_net_namespaces reached?",
    numbers.ENOMEM: "The kernel is out of memory.",
}
