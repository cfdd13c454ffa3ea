"""Runs a command in the namespace of a node, for `exec` and `shell`.

It imports nothing at its top, because `enter_on_record` needs little.
"""

from __future__ import annotations

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netorch.cli.output import Output
    from netorch.errors import CommandError, NetorchError


def enter_on_record(node: str, topology: str | None, argv: Sequence[str]) -> Exception | None:
    """Replace this process by a command in a node, if the records name the namespace of the node.

    Return the error if the namespace or the command is not usable. Return None if anything else is
    unusual: `enter` finds out what it is.
    """

    from netorch.kernel.files import state_cache
    from netorch.kernel.processes.enter import enter as become
    from netorch.kernel.system.nsfs import netns_fd

    try:
        labels: set[str] = set()
        for name in state_cache.names() if topology is None else [topology]:
            places = state_cache.places_on_record(name)
            if places is None or places["attached"]:
                return None
            if node in places["labels"]:
                labels.add(places["labels"][node])
        # the host has no name in /run/netns
        if len(labels) != 1 or "host" in labels or node == "host" or not argv:
            return None
        (label,) = labels
        fd = netns_fd(f"/run/netns/{label}", follow=True)
    except (OSError, LookupError, TypeError):
        return None
    try:
        become(fd, label, argv)
    except Exception as error:
        return error


def enter(
    node: str,
    topology: str | None,
    argv: Sequence[str],
    output: Output,
    failure: Exception | None = None,
) -> int:
    """Replace this process by a command in a node.

    Return only if that fails, with the exit status that a shell would use. `failure` is the error
    of `enter_on_record`.
    """
    import sys

    from netorch.cli.nodes import LiveNodes
    from netorch.errors import CommandError, NetorchError
    from netorch.kernel.namespaces.attach import NotAttached, open_namespace
    from netorch.kernel.processes.enter import enter as become

    try:
        if failure is not None:
            raise failure
        how, what, etc = LiveNodes(topology).place(node, "netorch exec {} CMD")
        try:
            fd = open_namespace(how, what)
        except NotAttached as error:
            raise NetorchError(error.of_node(node)) from None
        sys.stdout.flush()
        become(fd, etc, argv)
    except CommandError as error:
        output.fail(explained(error, argv))
        return error.status


def explained(error: CommandError, argv: Sequence[str]) -> NetorchError:
    """Return an error for the user, with a remedy if the command is a line for a shell."""
    import shlex

    from netorch.errors import NetorchError
    from netorch.immutable import replace

    problem = error.problems[0]
    if problem.code != "command-not-found" or len(argv) != 1 or not {*argv[0]} & {*" |;&<>$"}:
        return NetorchError(error.problems)
    remedy = f"For a line of a shell, write sh -c {shlex.quote(argv[0])}."
    return NetorchError(replace(problem, what=f"{problem.what}.", remedy=remedy))
