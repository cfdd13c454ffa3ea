"""Make and end intended deviations: set a link down or up, and impair what it sends.

The record is written first, because it is what the user intends: after a crash in between, `diff`
shows that the kernel does not follow yet, and `apply` completes it. Only the namespaces that are
concerned are read, so that the command feels instant.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from netorch.converge import confirmation, intended
from netorch.converge.execute import INTERRUPTS, ROUNDS, Refusal, execute
from netorch.converge.intended import Deviations, overlay
from netorch.converge.kernel_errors import problems_of
from netorch.converge.named_interface import Choice, Target
from netorch.converge.observe import Observed
from netorch.converge.own_default_routes import keep_own_default_routes
from netorch.converge.previous import Previous
from netorch.converge.read import observe_ours, scope
from netorch.converge.recorded_state import reload
from netorch.converge.report import Report
from netorch.errors import KernelRefused, NetorchError, Problem
from netorch.immutable import Value, replace
from netorch.kernel.files import records
from netorch.kernel.linux import LinuxKernel
from netorch.kernel.system.error_text import problem_of
from netorch.kinds.base.link import link_key
from netorch.kinds.impair import impair_key
from netorch.kinds.physical import Physical
from netorch.kinds.sysctl import Sysctl
from netorch.kinds.up import up_key
from netorch.kinds.uplink import Uplink
from netorch.language.impairment import Impairment
from netorch.resolve.desired import Desired
from netorch.state.groups import count
from netorch.state.key import HOST, Key, is_attached
from netorch.state.plan import Plan
from netorch.state.planner import deleted_with
from netorch.state.planner import plan as make_plan
from netorch.state.resource import State
from netorch.values.snapshot import Snapshot


class Outcome(Value):
    """What a command has done on purpose."""

    target: Target
    report: Report
    changed: bool
    """Whether the kernel or the record has changed."""
    at: float = 0.0
    """When the kernel had carried out the first requests, in seconds since 1970, or 0."""


Edit = Callable[[Desired, Deviations], Deviations]
"""A function from what the file asks for and the present deviations to those that are to be. It
raises NetorchError for what cannot be.
"""


def set_down(target: Target, who: str) -> Edit:
    """Return the edit that sets a link down."""

    def edit(desired: Desired, deviations: Deviations) -> Deviations:
        _refuse_link(target, desired)
        deviation = target.deviation(who)
        known = next((one for one in deviations if one.place == deviation.place), None)
        if known is not None and known.flap is None:
            return deviations
        if intended.why_without_effect(desired.state, deviation):
            return intended.without_places(deviations, [deviation.place])
        return intended.with_deviation(deviations, deviation)

    return edit


def set_up(target: Target) -> Edit:
    """Return the edit that ends the deviation of a link, so that it is up as in the file."""

    def edit(desired: Desired, deviations: Deviations) -> Deviations:
        _refuse_link(target, desired)
        rest = intended.without_places(deviations, [(target.netns, target.link, True)])
        key = up_key(target.netns, target.link)
        if key not in desired.state:
            what = f"{target.title} is down because the file says so (`state: down`)."
            remedy = "Delete that in the file, and run `netorch apply`."
            raise NetorchError(Problem("link-down-in-file", what, None, remedy, target.title))
        if key not in overlay(desired.state, rest):
            below = next(
                one for one in rest if one.is_down and key not in overlay(desired.state, [one])
            )
            command = f"netorch link {below.node}:{below.interface} up"
            what = f"{target.title} cannot come up: its parent {below.text()}."
            remedy = f"Set that up first: `{command}`."
            raise NetorchError(Problem("parent-down", what, None, remedy, target.title, command))
        return rest

    return edit


def set_impairment(target: Target, who: str, impairment: Impairment | None) -> Edit:
    """Return the edit that impairs an interface. None ends the deviation."""

    def edit(desired: Desired, deviations: Deviations) -> Deviations:
        place = target.netns, target.link, False
        rest = intended.without_places(deviations, [place])
        if impairment is None:
            return rest
        deviation = target.deviation(who, impairment.normal())
        known = next((one for one in deviations if one.place == place), None)
        if known is not None and known.impairment == deviation.impairment:
            return deviations
        link = desired.state[link_key(target.netns, target.link)]
        if impairment and not getattr(link, "txqueuelen", 1):
            what = f"{target.title} has `txqueuelen: 0` in the file, so it has no queue."
            remedy = "Leave out `txqueuelen`, and run `netorch apply`."
            raise NetorchError(Problem("bad-impairment", what, None, remedy, target.title))
        if intended.why_without_effect(desired.state, deviation):
            return rest
        return intended.with_deviation(rest, deviation)

    return edit


def _refuse_link(target: Target, desired: Desired) -> None:
    """Raise NetorchError for a link that netorch does not set down or up."""
    if target.link == "lo":
        what = f"{target.title} is the loopback interface, which netorch leaves up."
        raise NetorchError(Problem("loopback", what, None, "", target.title))
    for resource in desired.state.values():
        if isinstance(resource, Uplink) and (resource.netns, resource.bridge) == (
            target.netns,
            target.link,
        ):
            what = (
                f"{target.title} has the uplink {resource.nic}, so it carries the network of "
                "this machine, and netorch could not restore the routes of others over it."
            )
            remedy = f"Use `ip link set {target.link} down` if you are sure."
            raise NetorchError(Problem("uplink-in-use", what, None, remedy, target.title))


def deviate(
    kernel: LinuxKernel,
    choice: Choice,
    edit: Edit,
    *,
    impairs: bool = False,
    lock_timeout: float = 10.0,
    log: str = "",
) -> Outcome:
    """Change the deviations of one interface, in the record and in the kernel, or nothing.

    `impairs` tells that the impairment is to change, and not the state. `log` is the sentence for
    the log of the machine, "" for none. Raise LockedError while another netorch changes the
    topology, or while an apply waits to be confirmed.
    """
    began = time.monotonic()
    with records.lock(choice.target.topology, lock_timeout):
        change = _Change(kernel, choice, edit, impairs)
        outcome = change.make()
        if log and outcome.changed:
            from netorch.converge import journal

            journal.record_act(
                "impair" if impairs else "link",
                choice.target.topology,
                change.previous.record,
                counts=lambda: count(outcome.report.plan),
                reason=log,
                began=began,
            )
    return outcome


def _refuse_gone(desired: Desired, target: Target) -> None:
    """Raise NetorchError if the topology has been applied without the interface meanwhile."""
    if link_key(target.netns, target.link) not in desired.state:
        what = f"{target.title} is not in the topology any more: it has just been applied again."
        raise NetorchError(Problem("unknown-interface", what, None, "", target.title))


class _Change:
    """One change of one interface. The caller holds the topology's lock."""

    def __init__(self, kernel: LinuxKernel, choice: Choice, edit: Edit, impairs: bool) -> None:
        self.kernel, self.target, self.impairs = kernel, choice.target, impairs
        name = choice.target.topology
        warnings = confirmation.refuse_pending(name)
        self.previous = Previous.read(name)
        if self.previous.record is None:
            what = self.previous.warning or f"topology {name!r} is not live here."
            code = "record-damaged" if self.previous.warning else "not-live"
            remedy = "`netorch list` shows the live topologies."
            raise NetorchError(Problem(code, what, None, remedy, name))
        desired = choice.desired
        if self.previous.record != choice.record:
            desired = reload(name, self.previous.record).desired
            _refuse_gone(desired, choice.target)
        desired = desired.with_mark(self.previous.mark)
        self.desired = desired
        self.before = self.previous.intended
        self.after = edit(desired, self.before)
        self.asked = overlay(desired.state, self.after)
        self.keys = self._affected()
        self.labels = self._concerned()
        self.report = Report(
            Plan(), warnings=[*warnings, *self.previous.warnings], intended=self.after
        )

    def _affected(self) -> frozenset[Key]:
        """Return the keys of all that the change may make, change or remove."""
        target = self.target
        if self.impairs:
            return frozenset((impair_key(target.netns, target.link),))
        state = self.desired.state
        down = target.deviation("")
        rest = intended.without_places(self.after, [down.place])
        without, with_it = overlay(state, rest), overlay(state, (*rest, down))
        keys = {key for key in without if key not in with_it or with_it[key] is not without[key]}
        ups = {key for key in keys if key.kind == "up"}
        # the kernel sets the IPv6 MTU of the other end when that gets its carrier back
        keys |= {
            key
            for key, resource in state.items()
            if isinstance(resource, Sysctl) and not ups.isdisjoint(resource.needs)
        }
        return frozenset(keys)

    def _concerned(self) -> frozenset[str]:
        """Return the labels of the namespaces to read."""
        target, state = self.target, self.desired.state
        link = state.get(link_key(target.netns, target.link))
        other = link.paired_key if link is not None else None
        return frozenset(
            {target.netns, *(key.netns for key in self.keys), *([other.netns] if other else [])}
        )

    def make(self) -> Outcome:
        """Write the record, then change the kernel. Undo both after a failure."""
        target, name = self.target, self.target.topology
        self._attach()
        snapshot, observed = self._look()
        self._refuse_absent(snapshot, observed)
        plan = make_plan(observed.state, self._goal(snapshot, observed))
        if self.impairs:
            # here, because the resources of a link that comes up again existed before
            from netorch.converge.preflight import refuse_lacking

            refuse_lacking(self.kernel, plan, replace(self.desired, state=self.asked), None)
        self.report.plan = plan
        changed = bool(plan) or self.before != self.after
        outcome = Outcome(target, self.report, changed)
        if not outcome.changed:
            return outcome
        try:
            records.keep(name)
            if self.before != self.after or self.previous.intended_warning:
                intended.write(name, self.after)
            at = self._carry_out(plan)
        except BaseException as error:
            after = self._roll_back(error, observed)
            if after is error:
                raise
            raise after from None
        finally:
            records.forget_previous(name)
        return replace(outcome, at=at)

    def _attach(self) -> None:
        attached = self.desired.attached
        concerned = {label: attached[label] for label in self.labels if label in attached}
        missing = self.kernel.attach(concerned)
        nodes = self.desired.nodes
        if problems := [error.of_node(nodes.get(label, label)) for label, error in missing.items()]:
            raise NetorchError(problems)

    def _look(self) -> tuple[Snapshot, Observed]:
        """Read the concerned namespaces."""
        part = {
            key: resource
            for key, resource in self.desired.state.items()
            if key.netns in self.labels
        }
        names = frozenset(label for label in self.labels if not is_attached(label))
        if self.previous.ownership is None:
            # because the marks on the host then tell which numbers others have
            names |= {HOST}
        attached = frozenset(label for label in self.labels if is_attached(label))
        memory = replace(self.previous.memory, ours={})
        asked = scope(self.previous, part, attached, memory)
        lends = any(isinstance(resource, Physical) for resource in part.values())
        asked = replace(
            asked,
            only=names,
            in_full=asked.in_full & names,
            filters=frozenset(),
            forwards=frozenset(),
            topology=asked.topology if lends else "",
        )
        snapshot = self.kernel.read(asked)
        self.previous = self.previous.with_number(snapshot)
        return snapshot, observe_ours(self.kernel, self.previous, snapshot, part, memory)

    def _refuse_absent(self, snapshot: Snapshot, observed: Observed) -> None:
        """Raise NetorchError if the interface does not exist or is not the topology's."""
        target = self.target
        if link_key(target.netns, target.link) in observed.state:
            return
        netns = snapshot.namespaces.get(target.netns)
        exists = netns is not None and any(link.name == target.link for link in netns.links)
        if exists:
            what = f"{target.title} is not the link that netorch made: netorch leaves it alone."
            raise NetorchError(Problem("not-own-link", what, None, "", target.title))
        command = f"netorch apply {target.topology}"
        what = f"{target.title} does not exist: somebody has deleted it."
        remedy = f"`netorch diff {target.topology}` shows what differs."
        raise NetorchError(Problem("link-gone", what, None, remedy, target.title, command))

    def _goal(self, snapshot: Snapshot, observed: Observed) -> State:
        """Return the observed state as it is to be: only what the change affects differs."""
        goal = dict(observed.state)
        gone = [key for key in self.keys if key not in self.asked and key in goal]
        for key in deleted_with(goal, gone):
            goal.pop(key, None)
        affected: State = {key: self.asked[key] for key in self.asked if key in self.keys}
        affected, _ = keep_own_default_routes(self.desired, affected, snapshot)
        last = self.desired.state
        for key, resource in affected.items():
            before = observed.state.get(key)
            # first, because otherwise the goal would have the order of what was observed
            goal.pop(key, None)
            goal[key] = (
                resource
                if before is None
                else resource.adapt_to(before, lambda key=key: last.get(key))  # type: ignore[misc]
            )
        return goal

    def _carry_out(self, plan: Plan) -> float:
        """Carry out the plan, then read and plan again until the kernel is as asked.

        Returns the time after the first requests, 0 if there were none.
        """
        at = 0.0
        while plan:
            if self.report.rounds == ROUNDS:
                from netorch.converge.concurrent_changes import describe_deviation

                raise KernelRefused(
                    [
                        Problem(
                            "does-not-stay",
                            f"{step.resource.title()}: does not stay as netorch sets it: "
                            f"{describe_deviation(step)}.",
                            object=step.resource.title(),
                        )
                        for step in plan.steps
                    ]
                )
            self.report.rounds += 1
            run = execute(self.kernel, plan)
            at = at or time.time()
            if run.refusals:
                raise KernelRefused(problems_of(run.refusals, lambda _: None))
            snapshot, observed = self._look()
            plan = make_plan(observed.state, self._goal(snapshot, observed))
        return at

    def _roll_back(self, error: BaseException, start: Observed) -> BaseException:
        """Restore the record and the kernel. Returns the error to raise."""
        problems: list[Problem] = []
        for _ in range(INTERRUPTS):
            try:
                problems = self._restore(start)
                break
            except KeyboardInterrupt:
                continue
            except NetorchError as stuck:
                problems = list(stuck.problems)
                break
            except OSError as stuck:
                problems = [problem_of(stuck)]
                break
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            error = NetorchError(problem_of(error))
        left = [Problem("not-rolled-back", "Not everything could be rolled back:"), *problems]
        if isinstance(error, NetorchError):
            end = left if problems else [_ROLLED_BACK]
            return type(error)((*error.problems, *end), error.file)
        return KernelRefused([Problem("interrupted", "interrupted."), *left]) if problems else error

    def _restore(self, start: Observed) -> list[Problem]:
        intended.restore(self.target.topology, self.before)
        refusals: Sequence[Refusal] = ()
        for _ in range(ROUNDS):
            _, observed = self._look()
            plan = make_plan(observed.state, start.state)
            if not plan:
                return []
            refusals = execute(self.kernel, plan, keep_going=True).refusals
        return problems_of(refusals, lambda _: None)


_ROLLED_BACK = Problem("rolled-back", "Rolled back: the kernel is as it was before.")
