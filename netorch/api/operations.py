"""The functions `diff`, `apply`, `check` and `destroy` for programs. They print nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from netorch.api.topology import Source, Topology, Variables, load
from netorch.checks.probes import Outcome
from netorch.checks.run import TIMEOUT, run_checks
from netorch.converge.compare import Difference
from netorch.converge.orchestrator import Orchestrator
from netorch.converge.report import Report
from netorch.errors import ConflictError, NetorchError, Problem
from netorch.immutable import Value, replace
from netorch.language.names import topology_name
from netorch.render import checks
from netorch.render.changes import Change, changes, summary
from netorch.render.text import change_lines, summarize
from netorch.state.plan import Plan

if TYPE_CHECKING:
    from netorch.converge.deviate import Edit
    from netorch.converge.named_interface import Choice

_IGNORED_INTERRUPTS = 9
"""The number of presses of Ctrl-C that do not stop the removal of a topology."""


class Changes(Value):
    """Changes that are necessary, or that were made. True if there is at least one.

    `str` returns the text that `netorch diff` prints.
    """

    topology: str
    """The name of the topology."""
    changes: tuple[Change, ...]
    """The changes, in the order in which netorch makes them."""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Other events, such as processes that were ended."""
    adopted: tuple[str, ...] = ()
    """The titles of the objects that the topology takes over, which are not among the changes."""
    released: tuple[str, ...] = ()
    """The titles of the links and namespaces that the topology has given up."""

    def __bool__(self) -> bool:
        return bool(self.changes or self.adopted or self.released)

    def __len__(self) -> int:
        return len(self.changes)

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of changes of each sort: `create`, `update`, `flap`, `replace`, `delete`.

        A sort without a change is not a key.
        """
        return summary(self.changes)

    def __str__(self) -> str:
        return "\n".join(
            [
                *change_lines(self.changes),
                f"{self.topology}: {summarize(self.changes) or 'in sync'}",
            ]
        )


class Checks(Value):
    """The outcomes of a topology's checks. True if all passed.

    `str` returns the text that `netorch check` prints.
    """

    topology: str
    """The name of the topology."""
    outcomes: tuple[Outcome, ...]
    """One outcome for each check, and one for each ordered pair of a network's members."""
    text: str

    def __bool__(self) -> bool:
        return not self.failed

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The outcomes of checks that failed, each with its `reason`."""
        return tuple(outcome for outcome in self.outcomes if not outcome.passed)

    def __str__(self) -> str:
        return self.text


def diff(
    source: Source,
    *,
    variables: Variables | None = None,
    name: str | None = None,
    host: str | None = None,
    adopt: bool = False,
) -> Changes:
    """Return the changes that `apply` would make, without making them.

    `source`, `variables` and `name` are those of `netorch.load`, and `host` and `adopt` are those
    of `apply`.
    Raise FileError, and ConflictError or LacksError where `apply` would raise it.
    """
    topology = load(source, variables=variables, name=name).part(host)
    with Orchestrator() as orchestrator:
        difference = orchestrator.diff(topology.loaded, adopt=adopt)
    plan_changes = _changes(topology.name, difference.plan, difference.warnings)
    return replace(plan_changes, adopted=difference.adopted)


def apply(
    source: Source,
    *,
    variables: Variables | None = None,
    name: str | None = None,
    host: str | None = None,
    lock_timeout: float = 10.0,
    adopt: bool = False,
) -> Changes:
    """Make the kernel match a topology, and return the changes that were made.

    After an error, and after Ctrl-C, the kernel is as it was before.

    Args:
        source: As for `netorch.load`.
        variables: As for `netorch.load`.
        name: As for `netorch.load`.
        host: Which machine of the file's `hosts` this one is, by default that whose address it has.
        lock_timeout: Seconds to wait while another netorch changes the same topology.
        adopt: Whether the topology takes over objects that exist already, as they are.

    Raise FileError, ConflictError, LacksError or LockedError before anything changes, and
    KernelRefused after a rollback.
    """
    topology = load(source, variables=variables, name=name).part(host)
    return converge(topology, lock_timeout, False, adopt)


def check(
    source: Source,
    *,
    variables: Variables | None = None,
    name: str | None = None,
    host: str | None = None,
    timeout: float = TIMEOUT,
) -> Checks:
    """Try the checks of a live topology with real packets from inside its nodes.

    `host` is that of `apply`. `timeout` is the number of seconds that an expected answer may take.
    Raise FileError, and NetorchError if a node of a check does not exist.
    """
    return try_checks(load(source, variables=variables, name=name).part(host), timeout)


def destroy(target: Source, *, lock_timeout: float = 10.0, release: bool = False) -> Changes:
    """Remove all objects of a topology, and return the changes. Nothing to remove is not an error.

    With `release`, they all stay, and only the marks of netorch are taken from them.

    `target` is the name of a topology, the path of its file (with a `/` or a dot in it), or a
    Topology. Raise FileError, LockedError, and KernelRefused if something could not be removed.
    """
    if isinstance(target, str) and "\n" not in target and "/" not in target and "." not in target:
        try:
            topology_name(target)
        except ValueError as error:
            raise NetorchError(Problem("bad-topology-name", str(error), object=target)) from None
        return destroy_by_name(target, lock_timeout, release)
    return destroy_by_name(load(target).name, lock_timeout, release)


def converge(topology: Topology, lock_timeout: float, fresh: bool, adopt: bool = False) -> Changes:
    """Apply a loaded topology. `adopt` is that of `apply`.

    `fresh` says that the topology must not be live yet: raise ConflictError if it is, and remove
    all of it after Ctrl-C.
    """
    begun = False

    def planned(difference: Difference) -> None:
        nonlocal begun
        if fresh and difference.is_live:
            what = (
                f"topology {topology.name!r} is live here already, "
                "and this program did not apply it."
            )
            remedy = (
                "Give this topology another `name`, run it with `private=True`, or remove the "
                f"live one: `netorch destroy {topology.name}`."
            )
            raise ConflictError(
                Problem(
                    "already-live",
                    what,
                    remedy=remedy,
                    object=topology.name,
                    command=f"netorch destroy {topology.name}",
                )
            )
        begun = True

    try:
        with Orchestrator() as orchestrator:
            report = orchestrator.apply(
                topology.loaded,
                topology.record(),
                planned=planned,
                lock_timeout=lock_timeout,
                adopt=adopt,
            )
        return _changes_of_report(topology.name, report)
    except KeyboardInterrupt:
        # the whole topology may be applied already, and Ctrl-C may come again
        if fresh and begun:
            retry_despite_interrupts(lambda: destroy_by_name(topology.name, lock_timeout))
        raise


def try_checks(topology: Topology, timeout: float) -> Checks:
    """Try the checks of a loaded topology."""
    from netorch.walk.live import LiveWalks

    loaded = topology.loaded
    with Orchestrator() as orchestrator:
        walks = LiveWalks(orchestrator.kernel, loaded.desired)
        outcomes = run_checks(orchestrator.kernel, loaded, timeout=timeout, recipient=walks.astray)
    lines = checks.lines(loaded.desired.checks, outcomes, file=loaded.file)
    machines = loaded.desired.machines
    skipped = machines.skipped if machines is not None else {}
    return Checks(
        topology.name,
        outcomes,
        "\n".join(
            [
                *lines,
                f"{topology.name}: {checks.summarize(loaded.desired.checks, outcomes, skipped)}",
            ]
        ),
    )


def why_not(topology: Topology, source: str, target: str) -> tuple[str, ...]:
    """Return why a ping from one node to an address is not answered now, as `explain` says it."""
    from netorch.walk.live import LiveWalks

    with Orchestrator() as orchestrator:
        return LiveWalks(orchestrator.kernel, topology.loaded.desired).why_not(source, target)


def destroy_by_name(name: str, lock_timeout: float, release: bool = False) -> Changes:
    """Destroy the topology of this name, or release it."""
    with Orchestrator() as orchestrator:
        if release:
            return _changes_of_report(name, orchestrator.release(name, lock_timeout=lock_timeout))
        return _changes_of_report(name, orchestrator.destroy(name, lock_timeout=lock_timeout))


def set_link(topology: str, end: str, down: bool, lock_timeout: float) -> Changes:
    """Set the link `end` (NODE:IF) of a live topology down or up on purpose."""
    from netorch.converge.deviate import set_down, set_up
    from netorch.converge.named_interface import choose
    from netorch.kernel.system.user import user_name

    choice = choose(end, topology)
    edit = set_down(choice.target, user_name()) if down else set_up(choice.target)
    log = f"{choice.target.title} is {'down' if down else 'up'}"
    return _deviate(choice, edit, lock_timeout, log, impairs=False)


def impair(topology: str, end: str, values: Mapping[str, str], lock_timeout: float) -> Changes:
    """Impair on purpose what the interface `end` (NODE:IF) of a live topology sends.

    Without values, the interface becomes as in the file again.
    """
    from netorch.converge.deviate import set_impairment
    from netorch.converge.named_interface import choose
    from netorch.kernel.system.user import user_name
    from netorch.language.impair_model import parse_words

    choice = choose(end, topology)
    edit = set_impairment(choice.target, user_name(), parse_words(values) if values else None)
    words = " ".join(f"{key}={value}" for key, value in values.items()) or "as in the file"
    return _deviate(choice, edit, lock_timeout, f"{choice.target.title}: {words}", impairs=True)


def _deviate(
    choice: Choice, edit: Edit, lock_timeout: float, log: str, *, impairs: bool
) -> Changes:
    from netorch.converge.deviate import deviate
    from netorch.kernel.linux import LinuxKernel

    with LinuxKernel() as kernel:
        outcome = deviate(kernel, choice, edit, impairs=impairs, lock_timeout=lock_timeout, log=log)
    return _changes_of_report(choice.target.topology, outcome.report)


def retry_despite_interrupts(work: Callable[[], object]) -> None:
    """Call `work`, and again after each Ctrl-C, because nobody else would finish the removal."""
    for _ in range(_IGNORED_INTERRUPTS):
        try:
            work()
        except KeyboardInterrupt:
            continue
        return
    work()


def _changes_of_report(name: str, report: Report) -> Changes:
    made = _changes(name, report.plan, report.warnings, report.notes)
    return replace(made, adopted=report.adopted, released=report.released)


def _changes(
    name: str,
    plan: Plan,
    warnings: tuple[str, ...] | list[str],
    notes: tuple[str, ...] | list[str] = (),
) -> Changes:
    return Changes(name, tuple(changes(plan)), tuple(warnings), tuple(notes))
