"""Replace what a file says by what it means on this machine.

This concerns the numbers of users, keys, and packet filters, which the kernel lists in its own
form.
"""

from __future__ import annotations

from collections.abc import Mapping

from netorch.converge import bridge_filter, hazards
from netorch.converge.original_settings import Memory
from netorch.errors import NetorchError, Problem
from netorch.firewall.syntax import AUTO
from netorch.immutable import Value, replace
from netorch.kernel.linux import LinuxKernel
from netorch.kinds.file import foreign_files
from netorch.kinds.filter import PacketFilter
from netorch.kinds.sysctl import Sysctl
from netorch.resolve.desired import Desired
from netorch.resolve.loaded import Loaded
from netorch.state.by_class import groups_of, of_class
from netorch.state.key import Key
from netorch.state.resource import Resource, State
from netorch.values.requests import Question
from netorch.values.snapshot import Snapshot


class DesiredHere(Value):
    """The desired state of a file on this machine."""

    state: Mapping[Key, Resource]
    warnings: tuple[str, ...]
    """A sentence for each part of the file that this machine cannot have; the rest is applied."""


def desired_here(
    kernel: LinuxKernel, desired: Desired, snapshot: Snapshot, loaded: Loaded | None
) -> DesiredHere:
    """Ask this machine for what the file does not say. Raise NetorchError if it cannot answer."""
    state: Mapping[Key, Resource]
    state, foreign_files = _without_foreign_files(desired, snapshot)
    state, answer_warnings = _with_answers(kernel, desired, state, loaded)
    state, unfiltered = _in_kernel_words(kernel, state)
    return DesiredHere(state, (*foreign_files, *answer_warnings, *unfiltered))


def further_settings(
    kernel: LinuxKernel, state: Mapping[Key, Resource], snapshot: Snapshot, memory: Memory
) -> list[Sysctl]:
    """Return the sysctls that the state needs, although the file does not name them."""
    return [
        *hazards.settings_of_routers(state, snapshot, memory),
        *bridge_filter.settings_without_filter(state, kernel.pristine_sysctls),
    ]


def asking_in(state: State) -> dict[Key, tuple[Question, ...]]:
    """Return the resources with questions to the machine, and their questions."""
    return {
        resource.key: asked
        for cls, resources in groups_of(state).items()
        # because most classes have none
        if cls.questions is not Resource.questions
        for resource in resources
        if (asked := resource.questions)
    }


def _with_answers(
    kernel: LinuxKernel, desired: Desired, state: Mapping[Key, Resource], loaded: Loaded | None
) -> tuple[Mapping[Key, Resource], list[str]]:
    """Return the state with the answers of this machine to its questions, and their warnings.

    Raises NetorchError with every question that has no answer.
    """
    asking = asking_in(state)
    if not asking:
        return state, []
    answers = kernel.answers(
        [question for asked in asking.values() for question in asked], desired.folder
    )
    problems: list[Problem] = []
    for key, asked in asking.items():
        title = state[key].title()
        if not any(answers[question].problem for question in asked):
            where = loaded.where(desired.origins.get(key, ())) if loaded else None
            problems += [
                Problem(code, f"{title}: {what}.", where, remedy, title)
                for code, what, remedy in state[key].refuse_answers(answers)
            ]
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
    kernel: LinuxKernel, desired: Mapping[Key, Resource]
) -> tuple[Mapping[Key, Resource], list[str]]:
    """Return the state with packet filters as the kernel would list them, and a warning or none.

    They can only be compared in that form. The warning says that this machine cannot filter.
    """
    filters = {resource.key: resource for resource in of_class(desired, PacketFilter)}
    if not filters:
        return desired, []
    choice = next(iter(filters.values())).backend
    try:
        backend = kernel.filter_backend(choice)
    except NetorchError as error:
        if choice != AUTO or any(resource.is_essential for resource in filters.values()):
            raise
        # This is only a warning: without address translation no network leads to the outside. A
        # packet that should be dropped gets through only if a member adds a route itself.
        missing = " ".join(error.lines())
        return {key: resource for key, resource in desired.items() if key not in filters}, [
            f"networks are separated by routes only, not by a packet filter: {missing}"
        ]
    listed = {
        key: replace(
            resource,
            backend=backend,
            text=kernel.filter_text(backend, resource.topology, resource.rules),
        )
        for key, resource in filters.items()
    }
    return {**desired, **listed}, []


def _without_foreign_files(
    desired: Desired, snapshot: Snapshot
) -> tuple[Mapping[Key, Resource], list[str]]:
    """Return the state without the files in /etc/netns that somebody else wrote, and warnings.

    These files stay as they are, and are not a conflict.
    """
    files = {label: netns.files for label, netns in snapshot.namespaces.items()}
    foreign = {
        key: whose
        for label, contents in {**files, **snapshot.orphans}.items()
        for key, whose in foreign_files(label, contents, desired.topology)
        if key in desired.state
    }
    if not foreign:
        return desired.state, []
    warnings = sorted(f"{whose}: netorch leaves it as it is" for whose in foreign.values())
    return {
        key: resource for key, resource in desired.state.items() if key not in foreign
    }, warnings
