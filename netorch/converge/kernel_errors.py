"""Explain Linux's refusals: the intent, the object, the kernel's own sentence, and what to do."""

from __future__ import annotations

import errno as numbers
from collections import Counter
from collections.abc import Callable, Iterable

from netorch.converge.execute import Refusal
from netorch.errors import Position, Problem
from netorch.immutable import replace
from netorch.kernel.system.error_text import Remedy, remedy_of, sentence
from netorch.values.requests import (
    AddressAdd,
    LinkAdd,
    LinkSet,
    NameAdd,
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


def problem_of(refusal: Refusal, where: Position | None) -> Problem:
    """Return the problem that describes a refused step."""
    step, failure = refusal.step, refusal.failure
    verb = _VERBS[step.disruption.value]
    words = failure.sentence.rstrip(".")
    title = step.resource.title()
    code, text, command = remedy(failure.request, failure.errno, words)
    return Problem(
        code, f"{verb} {title}: {reason_of(words, failure.errno)}.", where, text, title, command
    )


def reason_of(words: str, number: int) -> str:
    """Return the kernel's words, and the part of the error number's sentence that they lack."""
    system = sentence(number)
    text, _, name = system.rpartition(", ")
    if not words or words == text:
        return system
    return f"{words} ({name if words.startswith(f'{text}: ') else system})"


def remedy(request: Request, number: int, words: str = "") -> Remedy:
    """Return what a user can do about a refused request, without text if nothing is known.

    `words` are the sentence of the refusal.
    """
    if (limit := remedy_of(number, words.partition(": ")[2])) is not None:
        return limit
    for kinds, errors, known in _REMEDIES:
        if isinstance(request, kinds) and number in errors:
            return known
    return _GENERAL.get(number, Remedy("kernel-refused"))


_REMEDIES: tuple[tuple[type | tuple[type, ...], frozenset[int], Remedy], ...] = (
    (
        RouteAdd,
        frozenset({numbers.ENETUNREACH, numbers.EHOSTUNREACH, numbers.EINVAL}),
        Remedy(
            "gateway-unreachable",
            "Is the gateway in the subnet of an address of this node? "
            "If it is on the link all the same, write `onlink: true` and `dev`.",
        ),
    ),
    (
        RouteAdd,
        frozenset({numbers.ENETDOWN}),
        Remedy("link-down", "Is the interface `state: down`?"),
    ),
    (
        RouteAdd,
        frozenset({numbers.ENODEV}),
        Remedy("no-such-link", "Write an existing interface as `dev`."),
    ),
    (
        RouteAdd,
        frozenset({numbers.EEXIST}),
        Remedy(
            "route-taken",
            "Another route has this destination, table and metric: give one another metric.",
        ),
    ),
    (
        LinkAdd,
        frozenset({numbers.EOPNOTSUPP}),
        Remedy(
            "kernel-lacks",
            "This kernel lacks the kind of link: load its module (modprobe), "
            "or use a kernel that has it.",
        ),
    ),
    (
        (LinkAdd, NetnsAdd, NameAdd),
        frozenset({numbers.EEXIST}),
        Remedy(
            "name-taken",
            "Something else made it a moment ago: look at it with `ip link` or `ip netns`, "
            "then apply again.",
        ),
    ),
    (
        (LinkAdd, LinkSet),
        frozenset({numbers.EADDRINUSE}),
        Remedy(
            "port-in-use",
            "Another program or tunnel already uses the UDP port of this one: write another `port`."
            " `ss -lunp` lists the programs.",
            "ss -lunp",
        ),
    ),
    (
        LinkSet,
        frozenset({numbers.ENETDOWN}),
        Remedy("link-down", "Is its parent interface up?"),
    ),
    (
        (LinkAdd, LinkSet),
        frozenset({numbers.EBUSY}),
        Remedy(
            "parent-conflict",
            "The parent interface is already used by something else: it is a port of a bridge, "
            "or the parent of macvlans or ipvlans, perhaps in another namespace.",
        ),
    ),
    (
        LinkSet,
        frozenset({numbers.EXFULL}),
        Remedy("bridge-full", "A bridge can have at most 1,023 ports."),
    ),
    (
        LinkSet,
        frozenset({numbers.ELOOP}),
        Remedy("cannot-be-port", "A bridge cannot be a port of a bridge."),
    ),
    (
        LinkSet,
        frozenset({numbers.ERANGE, numbers.EINVAL}),
        Remedy(
            "value-refused", "Is the value within what the kernel allows for this kind of link?"
        ),
    ),
    (
        AddressAdd,
        frozenset({numbers.EACCES}),
        Remedy("ipv6-off", "IPv6 is off on this interface: set the sysctl disable_ipv6 to 0."),
    ),
    (
        AddressAdd,
        frozenset({numbers.EOPNOTSUPP, numbers.EAFNOSUPPORT}),
        Remedy("kernel-lacks", "This kernel has no IPv6: load the module ipv6.", "modprobe ipv6"),
    ),
    (
        UplinkJoin,
        frozenset({numbers.ENODEV}),
        Remedy(
            "no-nic",
            "Write an existing interface as `uplink`: `ip link` lists them.",
            "ip link",
        ),
    ),
    (
        UplinkJoin,
        frozenset({numbers.EOPNOTSUPP, numbers.EINVAL, numbers.ELOOP}),
        Remedy(
            "cannot-be-port",
            "Only an Ethernet interface can be an `uplink`, and not a wireless one.",
        ),
    ),
    (
        UplinkJoin,
        frozenset({numbers.EBUSY}),
        Remedy(
            "nic-in-use",
            "Something else already uses the interface, such as a macvlan or another bridge.",
        ),
    ),
    (
        UplinkJoin,
        frozenset({numbers.EACCES}),
        Remedy(
            "ipv6-off",
            "IPv6 is off on new interfaces: "
            "set the sysctl net.ipv6.conf.default.disable_ipv6 to 0.",
            "sysctl -w net.ipv6.conf.default.disable_ipv6=0",
        ),
    ),
    (
        NicTake,
        frozenset({numbers.EINVAL, numbers.EOPNOTSUPP}),
        Remedy(
            "cannot-move",
            "Not every interface can leave its namespace: "
            "a wireless one moves with its phy (`iw phy PHY set netns`).",
        ),
    ),
    (
        TunSet,
        frozenset({numbers.EBUSY}),
        Remedy("device-in-use", "End the program first, then apply again."),
    ),
    (
        RuleAdd,
        frozenset({numbers.EOPNOTSUPP, numbers.EAFNOSUPPORT}),
        Remedy("kernel-lacks", "This kernel lacks policy routing (CONFIG_IP_MULTIPLE_TABLES)."),
    ),
    (
        SysctlSet,
        frozenset({numbers.ENOENT}),
        Remedy(
            "no-such-sysctl",
            "This kernel does not have this setting, or not in a network namespace.",
        ),
    ),
    (
        SysctlSet,
        frozenset({numbers.EINVAL}),
        Remedy("value-refused", "The kernel does not accept this value."),
    ),
    (
        SysctlSet,
        frozenset({numbers.EROFS, numbers.EACCES, numbers.EPERM}),
        Remedy(
            "read-only-sysctls", "/proc/sys is read-only here: run netorch where it is writable."
        ),
    ),
)

_GENERAL = {
    numbers.EPERM: Remedy("not-root", "netorch needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN)."),
    numbers.EMFILE: Remedy(
        "file-limit", "Too many open files: raise the limit (ulimit -n).", "ulimit -n"
    ),
    numbers.ENOSPC: Remedy(
        "no-space", "The file system is full: `df` and `df -i` show what is left.", "df -i"
    ),
    numbers.EDQUOT: Remedy("no-space", "Is the quota of the file system reached?"),
    numbers.EFBIG: Remedy("no-space", "Raise the limit of a file's size (ulimit -f)."),
    numbers.ENFILE: Remedy(
        "file-limit",
        "The machine has too many open files: raise fs.file-max.",
        "sysctl fs.file-max",
    ),
    numbers.ENOMEM: Remedy("no-memory", "The kernel is out of memory."),
}

_LIMITS = frozenset({"namespace-limit", "mount-limit", "no-space", "no-memory", "file-limit"})
"""Codes of limits. What comes after the first refusal is refused for the same reason."""


def problems_of(
    refusals: Iterable[Refusal], place: Callable[[Refusal], Position | None]
) -> list[Problem]:
    """Return the problems that describe refused steps, but one problem for each limit."""
    problems: list[Problem] = []
    counts: Counter[str] = Counter()
    for refusal in refusals:
        problem = problem_of(refusal, place(refusal))
        counts[problem.code] += 1
        if problem.code not in _LIMITS or counts[problem.code] == 1:
            problems.append(problem)
    return [
        replace(problem, what=f"{problem.what} {_more(counts[problem.code] - 1)}")
        if problem.code in _LIMITS and counts[problem.code] > 1
        else problem
        for problem in problems
    ]


def _more(steps: int) -> str:
    return f"The same happened to {steps:,} more step{'s' if steps > 1 else ''}."
