"""Express what the kernel has in the words of a topology file."""

from __future__ import annotations

from collections.abc import Mapping

from netorch.kernel.linux import LinuxKernel
from netorch.resolve.desired import Desired
from netorch.state.key import Key
from netorch.state.resource import Resource


def in_file_words(
    kernel: LinuxKernel, state: Mapping[Key, Resource], desired: Desired | None
) -> tuple[Mapping[Key, Resource], list[str]]:
    """Return `state` in the words of a file, and a warning for each part that no file can express.

    Where the kernel does not know a word, such as a file name, the word of `desired` is used.
    """
    asked = (
        {key: resource for key, resource in desired.state.items() if resource.questions}
        if desired is not None
        else {}
    )
    folder = desired.folder if desired is not None else ""
    answers = (
        kernel.answers(
            [question for resource in asked.values() for question in resource.questions], folder
        )
        if asked
        else {}
    )
    converted: dict[Key, Resource] = {}
    warnings: list[str] = []
    for key, resource in state.items():
        converted[key], warning = resource.in_file_words(
            asked[key].with_answers(answers) if key in asked else None, folder
        )
        warnings += [warning] if warning else []
    return converted, warnings
