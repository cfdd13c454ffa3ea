"""What a machine can do of the language, and what on it gets in the way. Nothing is changed; what is tried is tried out of sight."""

from __future__ import annotations

from netorch.converge import hazards
from netorch.converge.compare import compare
from netorch.converge.previous import Previous, recorded
from netorch.converge.refuse import lacking
from netorch.doctor import firewalls, limits, managers
from netorch.doctor.checks import USER_NAMESPACES, look, severity
from netorch.doctor.features import Ability, Ask, abilities
from netorch.doctor.findings import Finding, Level, Situation
from netorch.errors import NetorchError, Problem
from netorch.kernel.door import LinuxKernel
from netorch.kernel.files import records
from netorch.kernel.machine import facts, rootless
from netorch.kernel.machine.facts import Machine
from netorch.nat.languages import LANGUAGES, language
from netorch.resolve import Desired
from netorch.resolve.loader import Loaded
from netorch.state.core import HOST
from netorch.value import Value, replace
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
_LOAD = "Load the module (`"
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
    for name in LANGUAGES:
        if None not in found.values() or language(name).MODULE not in there.modules.loadable:
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
    snapshot = kernel.read(Scope("", wanted=frozenset())) if wanted else None
    if snapshot is None:
        return {}
    return {
        name: found
        for name, desired in wanted.items()
        if (found := tuple(hazards.overlaps(desired, snapshot)))
    }


def _tried(kernel: LinuxKernel, loaded: Loaded, situation: Situation) -> list[Finding]:
    """What would keep this file from being applied: what the kernel lacks, and what a look at it says."""
    missing = lacking(kernel, loaded.desired, loaded)
    found = [_finding(problem, loaded, "features") for problem in missing]
    try:
        difference = compare(kernel, loaded.desired, Previous.read(loaded.desired.topology), loaded)
    except NetorchError as error:
        known = {problem.what for problem in missing}
        overlapping = {
            hazard.what
            for hazards in situation.overlaps.values()
            for hazard in hazards
            if hazard.key.netns == HOST
        }
        leftover = {damage.path.rpartition("/")[2] for damage in situation.machine.leftovers}
        for problem in error.problems:
            stale = any(problem.what.startswith(f"netns {name}:") for name in leftover)
            if (
                problem.what not in known
                and problem.what.rstrip(".") not in overlapping
                and not stale
            ):
                found.append(_finding(problem, loaded, "file"))
        return found
    walls = {" ".join((finding.what, finding.command)) for finding in firewalls.walls(situation)}
    blind = set(situation.machine.forward.blind) if situation.machine.forward is not None else set()
    for warning in difference.warnings:
        if warning not in blind and warning.replace(". Let it through:", "") not in walls:
            found.append(Finding(Level.WARNING, warning, check="file"))
    return found


def _finding(problem: Problem, loaded: Loaded, check: str) -> Finding:
    loading, _, other = problem.remedy.partition("`), or ")
    command = loading.removeprefix(_LOAD) if other and loading.startswith(_LOAD) else ""
    remedy = f"Or {other}" if command else problem.remedy
    return Finding(
        Level.ERROR,
        Problem(problem.what, problem.where).text(loaded.file).rstrip("."),
        command,
        remedy,
        check,
    )


__all__ = ["Ability", "Diagnosis", "Finding", "Level", "examine"]
