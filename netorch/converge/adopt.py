"""Takes over objects that netorch did not make: decides which ones, and puts the marks on them.

What a namespace or a link contains belongs to the topology with it (`netorch.kinds`), so mostly
only links and namespaces need a mark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from netorch.converge.execute import Refusal, send_updates
from netorch.converge.observe import Observed
from netorch.immutable import Value, replace
from netorch.kernel.linux import LinuxKernel
from netorch.kinds.base.link import link_key
from netorch.state.key import Key, is_attached
from netorch.state.plan import Plan
from netorch.state.resource import Resource
from netorch.values.ownership import Adopted, Original, identity_text
from netorch.values.requests import Request
from netorch.values.snapshot import NetnsSnapshot, Snapshot

FALLBACK_DEVICES = frozenset(
    (
        *("tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "sit0"),
        *("ip6tnl0", "ip6gre0", "ip6_vti0"),
    )
)
"""The tunnels that Linux makes in each namespace."""


class Claim(Value):
    """An object that the topology takes over."""

    resource: Resource
    """What the file asks for in its place."""
    put: tuple[Request, ...]
    """The requests that put the marks on it."""
    take_back: tuple[Request, ...]
    """The requests that leave it as it was before."""
    original: Original | None = None
    """The marks that it had before."""

    @property
    def key(self) -> Key:
        return self.resource.key


class Claims(Value):
    """What a topology takes over, and the kernel as it is then."""

    snapshot: Snapshot
    observed: Observed
    claims: tuple[Claim, ...]
    reasons: Mapping[Key, str]
    """Object that netorch cannot take over → why, as a clause."""


def claim(
    snapshot: Snapshot,
    observed: Observed,
    state: Mapping[Key, Resource],
    observe: Callable[[Snapshot, Iterable[Key]], Observed],
    owner: Callable[[Key, Snapshot], str],
) -> Claims:
    """Return which of the conflicting objects the topology can take over.

    `observe` reads the topology's own objects in a snapshot. It gets the keys of the objects that
    the topology takes over. `owner` returns the other topology that has an object on record, or "".
    """
    claims: dict[Key, Claim] = {}
    reasons: dict[Key, str] = {}
    while waiting := {
        key for key in observed.conflicts if key not in claims and key not in reasons
    }:
        for key in [key for key in observed.conflicts if key in waiting]:
            resource, netns = state[key], snapshot.namespaces.get(key.netns)
            if any(container in reasons for container in resource.dies_with):
                reasons[key] = "what it is in cannot be taken over"
                continue
            if not waiting.isdisjoint(resource.dies_with):
                continue  # because it needs no mark of its own if what it is in gets one
            whose = owner(key, snapshot)
            reason = _lost_by(whose) if whose else _reason(key, netns, state)
            adoption = reason if reason or netns is None else resource.adopt(netns)
            if isinstance(adoption, str):
                reasons[key] = adoption
                continue
            snapshot = replace(
                snapshot, namespaces={**snapshot.namespaces, key.netns: adoption.netns}
            )
            claims[key] = Claim(resource, adoption.put, adoption.take_back, adoption.original)
        observed = observe(snapshot, claims)
    return Claims(snapshot, observed, tuple(claims.values()), reasons)


def _lost_by(topology: str) -> str:
    return f"topology {topology!r} would lose it: release or destroy that topology first"


def _reason(key: Key, netns: NetnsSnapshot | None, state: Mapping[Key, Resource]) -> str:
    """Return why a topology cannot take over an object, whatever its kind, or ""."""
    if netns is None:
        return "it is not a network namespace"
    if is_attached(key.netns):
        return "it is in a namespace that belongs to another program"
    if key.kind != "netns":
        return ""
    others = [
        link.name
        for link in netns.links
        if link.name != "lo"
        and link.name not in FALLBACK_DEVICES
        and link_key(key.netns, link.name) not in state
    ]
    if others:
        return (
            f"it also has {', '.join(others)}, which the file does not have and which `destroy`"
            " would delete with the namespace"
        )
    return ""


def reason_against(key: Key, snapshot: Snapshot, state: Mapping[Key, Resource]) -> str:
    """Return why a topology cannot take over a single object, which no other topology has, or ""
    if it can.
    """
    netns = snapshot.namespaces.get(key.netns)
    if (reason := _reason(key, netns, state)) or netns is None:
        return reason
    adoption = state[key].adopt(netns)
    return adoption if isinstance(adoption, str) else ""


def reasons_in_plan(claims: Iterable[Claim], plan: Plan) -> dict[Key, str]:
    """Return the claimed objects that the plan would delete, each with the reason as a clause."""
    claimed = {one.key for one in claims}
    changed = {step.key: step.after for step in plan.changes}
    return {
        resource.key: _fixed_difference(resource, changed.get(resource.key))
        for resource in (*(step.resource for step in plan.deletes), *plan.implied)
        if resource.key in claimed
    }


def _fixed_difference(before: Resource, after: Resource | None) -> str:
    if after is not None and type(before) is not type(after):
        return f"its kind is {before.KIND}, and the file asks for {after.KIND}"
    there = before.attributes()
    asked = there if after is None else after.attributes()
    wrong = [
        f"{name} is {there.get(name, 'not set')}, not {asked.get(name, 'unset')}"
        for name in {**asked, **there}
        if there.get(name) != asked.get(name)
    ]
    return f"netorch would have to replace it: {', '.join(wrong) or 'what it is in differs'}"


def originals_of(claims: Iterable[Claim], snapshot: Snapshot) -> dict[str, list[Adopted]]:
    """Return the marks from before, in the form of `Ownership.adopted`."""
    adopted: dict[str, list[Adopted]] = {}
    for one in claims:
        netns = snapshot.namespaces.get(one.key.netns)
        if netns is not None and one.original is not None:
            entry = Adopted((one.key.kind, *one.key.parts), one.original)
            adopted.setdefault(identity_text(netns.identity), []).append(entry)
    return adopted


def put(kernel: LinuxKernel, claims: Iterable[Claim]) -> list[Refusal]:
    """Put the marks on all objects. Return what Linux refuses."""
    return send_updates(kernel, [(one.resource, one.put) for one in claims])


def take_back(kernel: LinuxKernel, claims: Iterable[Claim]) -> list[Refusal]:
    """Take the marks from all objects again. Return what Linux refuses."""
    work = [(one.resource, one.take_back) for one in claims]
    return send_updates(kernel, reversed(work))
