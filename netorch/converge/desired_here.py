"""What a file asks for in terms of this machine: user numbers, keys, filters as the kernel lists them."""

from __future__ import annotations

from collections.abc import Mapping

from netorch.converge import bridge_filter, hazards
from netorch.converge.observe import observe
from netorch.converge.original_settings import Memory
from netorch.errors import NetorchError, Problem
from netorch.firewall.syntax import AUTO
from netorch.immutable import Value, replace
from netorch.kernel.linux import LinuxKernel
from netorch.kinds.file import NodeFile
from netorch.kinds.filter import PacketFilter
from netorch.kinds.sysctl import Sysctl
from netorch.resolve import Desired
from netorch.resolve.loader import Loaded
from netorch.state.key import Key
from netorch.state.resource import Resource
from netorch.values.snapshot import Snapshot


class DesiredHere(Value):
    """The desired state of a file on this machine."""

    state: Mapping[Key, Resource]
    warnings: tuple[str, ...]
    """What of the file this machine cannot have, although the rest can be applied."""


def desired_here(
    kernel: LinuxKernel, desired: Desired, snapshot: Snapshot, loaded: Loaded | None
) -> DesiredHere:
    """Ask this machine what it alone knows. NetorchError of all that it cannot tell."""
    state: Mapping[Key, Resource]
    state, strange_files = _without_strange_files(desired, snapshot)
    state, answer_warnings = _with_answers(kernel, desired, state, loaded)
    state, unfiltered = _in_kernel_words(kernel, state)
    return DesiredHere(state, (*strange_files, *answer_warnings, *unfiltered))


def further_settings(
    kernel: LinuxKernel, state: Mapping[Key, Resource], snapshot: Snapshot, memory: Memory
) -> list[Sysctl]:
    """Sysctls that the state needs, and that the file does not name."""
    return [
        *hazards.settings_of_routers(state, snapshot, memory),
        *bridge_filter.settings_without_filter(state, kernel.pristine_sysctls),
    ]


def _with_answers(
    kernel: LinuxKernel, desired: Desired, state: Mapping[Key, Resource], loaded: Loaded | None
) -> tuple[Mapping[Key, Resource], list[str]]:
    """The state with what only this machine can tell; a NetorchError of all that it cannot, and its warnings."""
    asking = {key: asked for key, resource in state.items() if (asked := resource.questions)}
    if not asking:
        return state, []
    answers = kernel.answers(
        [question for asked in asking.values() for question in asked], desired.folder
    )
    problems: list[Problem] = []
    for key, asked in asking.items():
        title = state[key].title()
        for question in asked:
            answer = answers[question]
            if answer.problem:
                path = (*desired.origins.get(key, ()), question.word)
                where = loaded.where(path) if loaded else None
                what = f"{title}: {answer.problem}."
                problems.append(Problem(answer.code, what, where, answer.remedy, title))
    if problems:
        raise NetorchError(problems, loaded.file if loaded else "")
    known = {key: state[key].with_answers(answers) for key in asking}
    return {**state, **known}, list(
        dict.fromkeys(answer.warning for answer in answers.values() if answer.warning)
    )


def _in_kernel_words(
    kernel: LinuxKernel, wanted: Mapping[Key, Resource]
) -> tuple[Mapping[Key, Resource], list[str]]:
    """Packet filters as the kernel would list them, by which alone they can be compared; and what cannot be filtered here."""
    filters = {
        key: resource for key, resource in wanted.items() if isinstance(resource, PacketFilter)
    }
    if not filters:
        return wanted, []
    choice = next(iter(filters.values())).backend
    try:
        backend = kernel.filter_backend(choice)
    except NetorchError as error:
        if choice != AUTO or any(resource.translates for resource in filters.values()):
            raise
        # nothing leads out, so there is no way round what is not dropped but a route that a member makes itself
        missing = " ".join(error.lines())
        return {key: resource for key, resource in wanted.items() if key not in filters}, [
            f"networks are kept apart by routes alone: {missing}"
        ]
    said = {
        key: replace(
            resource,
            backend=backend,
            text=kernel.filter_text(backend, resource.topology, resource.rules),
        )
        for key, resource in filters.items()
    }
    return {**wanted, **said}, []


def _without_strange_files(
    desired: Desired, snapshot: Snapshot
) -> tuple[dict[Key, Resource], list[str]]:
    """Files in /etc/netns that somebody else wrote stay as they are: no conflict, but worth a word."""
    files = {key: resource for key, resource in desired.state.items() if key.kind == "file"}
    found = observe(snapshot, desired.mark, files, kinds=(NodeFile,)).strangers if files else {}
    strange = {key: whose for key, whose in found.items() if key.kind == "file"}
    warnings = sorted(f"{whose}: left as it is" for whose in strange.values())
    return {
        key: resource for key, resource in desired.state.items() if key not in strange
    }, warnings
