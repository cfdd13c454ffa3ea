"""Examine a machine: which parts of the language its kernel supports, and what is in the way.

Nothing on the machine changes. doctor tries kernel features in a namespace of its own.
"""

from __future__ import annotations

from contextlib import suppress

from netorch.converge import hazards
from netorch.converge.compare import compare
from netorch.converge.preflight import Lack, lacking
from netorch.converge.previous import Previous, recorded
from netorch.doctor import firewalls, limits, managers
from netorch.doctor.checks import USER_NAMESPACES, look, severity
from netorch.doctor.features import Ability, FindLacking, State, abilities
from netorch.doctor.findings import Finding, Level, Situation
from netorch.doctor.needs import ALTERNATIVES, needs
from netorch.errors import NetorchError, Problem
from netorch.firewall.syntax import SYNTAXES, syntax_of
from netorch.immutable import Value, replace
from netorch.kernel.files import records
from netorch.kernel.linux import LinuxKernel
from netorch.kernel.machine import facts, rootless
from netorch.kernel.machine.facts import Machine
from netorch.kinds.name import name_key
from netorch.kinds.netns import netns_key
from netorch.resolve.desired import Desired
from netorch.resolve.loaded import Loaded
from netorch.state.key import HOST
from netorch.values.snapshot import Scope

_PROGRAMS = ("NetworkManager", "systemd-networkd", "firewalld", "dockerd")
_SYSCTLS = (
    *firewalls.BRIDGED.values(),
    *limits.RP_FILTER,
    *limits.FORWARDING.values(),
    *USER_NAMESPACES,
    "net/netfilter/nf_conntrack_max",
)
_FILES = (*managers.NETWORK_MANAGER, *managers.NETWORKD, "/etc/ufw/ufw.conf")


class Diagnosis(Value):
    """The result of an examination."""

    release: str
    """The kernel's release, as `uname -r` prints it."""
    root: bool
    """Whether netorch ran as root, so that it could examine everything."""
    topology: str
    """The name of the file's topology, "" if there is no file."""
    abilities: tuple[Ability, ...]
    findings: tuple[Finding, ...]
    """The findings, the worst first."""
    needs: tuple[str, ...] = ()
    """What the file needs of the kernel, empty without a file."""

    def ability_for(self, need: str) -> Ability | None:
        """Return the feature that the file needs, None if every kernel has it.

        One packet filter is enough, so this is the backend that works best here.
        """
        best = (State.YES, State.ON_DEMAND, State.UNKNOWN, State.NO)
        abilities = sorted(
            (one for one in self.abilities if one.what in (need, *ALTERNATIVES.get(need, ()))),
            key=lambda one: best.index(one.state),
        )
        return abilities[0] if abilities else None

    @property
    def well(self) -> bool:
        """Whether no finding would make an `apply` fail."""
        return not any(finding.level is Level.ERROR for finding in self.findings)


def examine(loaded: Loaded | None) -> Diagnosis:
    """Examine this machine, and the topology file on it if there is one."""
    machine = facts.read(_PROGRAMS, managers.STATE.values(), _SYSCTLS, _FILES)
    topologies = _live()
    file = loaded.desired.topology if loaded is not None else ""
    if loaded is not None:
        topologies[file] = loaded.desired
    situation = Situation(machine, topologies, file)
    if machine.privileged:
        return _diagnosis(situation, rootless.lacking, [])
    with LinuxKernel() as kernel:
        try:
            fresh = kernel.pristine_sysctls(limits.RP_FILTER)
        except OSError:
            # nothing can be tried then
            situation = replace(situation, machine=replace(machine, full=True))
            return _diagnosis(situation, lambda _: None, [])
        situation = replace(
            situation,
            machine=replace(machine, fresh=fresh),
            backends=_backends(kernel, machine),
            overlaps=_overlaps(kernel, topologies),
        )
        file_findings = _file_findings(kernel, loaded, situation) if loaded is not None else []
        return _diagnosis(situation, kernel.lacking, file_findings)


def _diagnosis(
    situation: Situation, find_lacking: FindLacking, file_findings: list[Finding]
) -> Diagnosis:
    able = tuple(abilities(situation, find_lacking))
    findings = sorted((*file_findings, *look(situation)), key=severity)
    return Diagnosis(
        situation.machine.release,
        not situation.machine.privileged,
        situation.file,
        able,
        tuple(findings),
        tuple(needs(situation.topologies[situation.file])) if situation.file else (),
    )


def _backends(kernel: LinuxKernel, machine: Machine) -> dict[str, str | None]:
    """Try the backends in the order in which an `apply` with `auto` does.

    If an earlier backend works, a later one whose module would have to be loaded is not tried.
    """
    refusals: dict[str, str | None] = {}
    for name in SYNTAXES:
        if None not in refusals.values() or syntax_of(name).MODULE not in machine.modules.loadable:
            refusals[name] = kernel.filter_refusal(name)
    return refusals


def _live() -> dict[str, Desired]:
    """Return the topologies on this machine whose record can be read."""
    topologies: dict[str, Desired] = {}
    # damaged records are not an error here, because the check `records` reports them
    with suppress(NetorchError):
        for name in records.applied_names():
            with suppress(NetorchError):
                if (desired := recorded(name, records.read_record(name)[0])) is not None:
                    topologies[name] = desired
    return topologies


def _overlaps(
    kernel: LinuxKernel, topologies: dict[str, Desired]
) -> dict[str, tuple[hazards.Hazard, ...]]:
    snapshot = kernel.read(Scope("", in_full=frozenset())) if topologies else None
    if snapshot is None:
        return {}
    return {
        name: overlaps
        for name, desired in topologies.items()
        if (overlaps := tuple(hazards.subnet_overlaps(desired, snapshot)))
    }


def _file_findings(kernel: LinuxKernel, loaded: Loaded, situation: Situation) -> list[Finding]:
    """Return what would keep this file from being applied.

    These are the features that the kernel lacks, and the errors and warnings of a plan.
    """
    lacks = lacking(kernel, loaded.desired, loaded)
    findings = [_lacking(lack, loaded) for lack in lacks]
    try:
        difference = compare(kernel, loaded.desired, Previous.read(loaded.desired.topology), loaded)
    except NetorchError as error:
        known = {_identity(lack.problem()) for lack in lacks}
        known |= _known_to_checks(situation, loaded.desired)
        others = [problem for problem in error.problems if _identity(problem) not in known]
        return [*findings, *(_finding(problem, loaded, "file") for problem in others)]
    reported = firewalls.warnings(situation)
    checked = {(shortage.code, shortage.object) for shortage in limits.shortages(situation)}
    reported |= {
        shortage.warning()
        for shortage in difference.shortages
        if (shortage.code, shortage.object) in checked
    }
    for warning in difference.warnings:
        if warning not in reported:
            findings.append(Finding(Level.WARNING, "plan-warning", warning, check="file"))
    return findings


def _known_to_checks(situation: Situation, desired: Desired) -> set[tuple[str, str]]:
    """Return the problems of the file that a check of the machine reports too.

    The check's finding is the better one, because it has a command that solves the problem.
    """
    known = {
        _identity(hazard.problem())
        for several in situation.overlaps.values()
        for hazard in several
        if hazard.key.netns == HOST
    }
    for damage in situation.machine.leftovers:
        node = desired.state.get(netns_key(damage.name), desired.state.get(name_key(damage.name)))
        if node is not None:
            known.add((node.TAKEN, node.title()))
    known |= {(shortage.code, shortage.object) for shortage in limits.shortages(situation)}
    return known


def _identity(problem: Problem) -> tuple[str, str]:
    return problem.code, problem.object


def _lacking(lack: Lack, loaded: Loaded) -> Finding:
    problem = lack.problem()
    command = lack.feature.command
    remedy = f"Or use a kernel built with {lack.feature.config}." if command else problem.remedy
    return replace(_finding(problem, loaded, "features"), command=command, remedy=remedy)


def _finding(problem: Problem, loaded: Loaded, check: str) -> Finding:
    what = replace(problem, remedy="").text(loaded.file).rstrip(".")
    remedy = problem.remedy
    return Finding(
        Level.ERROR, problem.code, what, remedy=remedy, object=problem.object, check=check
    )


__all__ = ["Ability", "Diagnosis", "Finding", "Level", "examine"]
