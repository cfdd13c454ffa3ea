"""What a machine can do of the language, and what on it gets in the way. Nothing is changed; what is tried is tried out of sight."""

from __future__ import annotations

from netorch.converge import hazards
from netorch.converge.compare import compare
from netorch.converge.preflight import Lack, lacking
from netorch.converge.previous import Previous, recorded
from netorch.doctor import firewalls, limits, managers
from netorch.doctor.checks import USER_NAMESPACES, look, severity
from netorch.doctor.features import Ability, Ask, abilities
from netorch.doctor.findings import Finding, Level, Situation
from netorch.errors import NetorchError, Problem
from netorch.firewall.syntax import SYNTAXES, syntax_of
from netorch.immutable import Value, replace
from netorch.kernel.files import records
from netorch.kernel.linux import LinuxKernel
from netorch.kernel.machine import facts, rootless
from netorch.kernel.machine.facts import Machine
from netorch.kinds.netns import netns_key
from netorch.resolve import Desired
from netorch.resolve.loader import Loaded
from netorch.state.key import HOST
from netorch.values.snapshot import Scope

_PROGRAMS = ("NetworkManager", "systemd-networkd", "firewalld", "dockerd")
_SYSCTLS = (
    *firewalls.BRIDGED.values(),
    limits.MAX_NAMESPACES,
    *limits.NEIGHBOURS.values(),
    *limits.RP_FILTER,
    *limits.FORWARDING.values(),
    *USER_NAMESPACES,
    "net/netfilter/nf_conntrack_max",
)
_FILES = (*managers.NETWORK_MANAGER, *managers.NETWORKD, "/etc/ufw/ufw.conf")


class Diagnosis(Value):
    """What was found. `root`: all could be looked at. `topology`: that of the file, "" without one."""

    release: str
    root: bool
    topology: str
    abilities: tuple[Ability, ...]
    findings: tuple[Finding, ...]

    @property
    def well(self) -> bool:
        """Whether nothing would make an apply fail."""
        return not any(finding.level is Level.ERROR for finding in self.findings)


def examine(loaded: Loaded | None) -> Diagnosis:
    """A look at this machine, with the eyes of the file if there is one."""
    found = facts.read(_PROGRAMS, managers.STATE.values(), _SYSCTLS, _FILES)
    wanted = _live()
    file = loaded.desired.topology if loaded is not None else ""
    if loaded is not None:
        wanted[file] = loaded.desired
    situation = Situation(found, wanted, file)
    if found.privileged:
        return _diagnosis(situation, rootless.lacking, [])
    with LinuxKernel() as kernel:
        situation = replace(
            situation,
            machine=replace(found, fresh=kernel.pristine_sysctls(limits.RP_FILTER)),
            backends=_backends(kernel, found),
            overlaps=_overlaps(kernel, wanted),
        )
        tried = _tried(kernel, loaded, situation) if loaded is not None else []
        return _diagnosis(situation, kernel.lacking, tried)


def _diagnosis(situation: Situation, ask: Ask, tried: list[Finding]) -> Diagnosis:
    able = tuple(abilities(situation, ask))
    found = sorted((*tried, *look(situation)), key=severity)
    return Diagnosis(
        situation.machine.release,
        not situation.machine.privileged,
        situation.file,
        able,
        tuple(found),
    )


def _backends(kernel: LinuxKernel, there: Machine) -> dict[str, str | None]:
    """As an apply with `auto` tries them: no module is loaded where a backend before it works."""
    found: dict[str, str | None] = {}
    for name in SYNTAXES:
        if None not in found.values() or syntax_of(name).MODULE not in there.modules.loadable:
            found[name] = kernel.filter_refusal(name)
    return found


def _live() -> dict[str, Desired]:
    """The topologies on this machine whose record can be read."""
    found: dict[str, Desired] = {}
    try:
        for name in records.applied_names():
            if (desired := recorded(name, records.read_record(name)[0])) is not None:
                found[name] = desired
    except NetorchError:
        # what is wrong there is a finding
        return found
    return found


def _overlaps(
    kernel: LinuxKernel, wanted: dict[str, Desired]
) -> dict[str, tuple[hazards.Hazard, ...]]:
    snapshot = kernel.read(Scope("", in_full=frozenset())) if wanted else None
    if snapshot is None:
        return {}
    return {
        name: found
        for name, desired in wanted.items()
        if (found := tuple(hazards.subnet_overlaps(desired, snapshot)))
    }


def _tried(kernel: LinuxKernel, loaded: Loaded, situation: Situation) -> list[Finding]:
    """What would keep this file from being applied: what the kernel lacks, and what a look at it says."""
    lacks = lacking(kernel, loaded.desired, loaded)
    found = [_lacking(lack, loaded) for lack in lacks]
    try:
        difference = compare(kernel, loaded.desired, Previous.read(loaded.desired.topology), loaded)
    except NetorchError as error:
        known = {_identity(lack.problem()) for lack in lacks}
        known |= _known_to_checks(situation, loaded.desired)
        others = [problem for problem in error.problems if _identity(problem) not in known]
        return [*found, *(_finding(problem, loaded, "file") for problem in others)]
    told = firewalls.warnings(situation)
    for warning in difference.warnings:
        if warning not in told:
            found.append(Finding(Level.WARNING, "plan-warning", warning, check="file"))
    return found


def _known_to_checks(situation: Situation, desired: Desired) -> set[tuple[str, str]]:
    """The problems of a file that a check of the machine tells as well, with a command against it."""
    found = {
        _identity(hazard.problem())
        for several in situation.overlaps.values()
        for hazard in several
        if hazard.key.netns == HOST
    }
    for damage in situation.machine.leftovers:
        node = desired.state.get(netns_key(damage.name))
        if node is not None:
            found.add((node.TAKEN, node.title()))
    return found


def _identity(problem: Problem) -> tuple[str, str]:
    return problem.code, problem.object


def _lacking(lack: Lack, loaded: Loaded) -> Finding:
    problem = lack.problem()
    command = lack.feature.command
    remedy = f"Or take a kernel built with {lack.feature.config}." if command else problem.remedy
    return replace(_finding(problem, loaded, "features"), command=command, remedy=remedy)


def _finding(problem: Problem, loaded: Loaded, check: str) -> Finding:
    what = replace(problem, remedy="").text(loaded.file).rstrip(".")
    remedy = problem.remedy
    return Finding(
        Level.ERROR, problem.code, what, remedy=remedy, object=problem.object, check=check
    )


__all__ = ["Ability", "Diagnosis", "Finding", "Level", "examine"]
