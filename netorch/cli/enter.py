"""Finds the namespace of a node, and runs a command in it, for `exec` and `shell`.

It imports nothing at its top, because `enter_on_record` needs little.
"""

from __future__ import annotations

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netorch.cli.output import Output
    from netorch.converge.attached import NodePlace
    from netorch.resolve.desired import Machine


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

    from netorch.errors import CommandError, NetorchError
    from netorch.kernel.namespaces.attach import NotAttached, open_namespace
    from netorch.kernel.processes.enter import enter as become

    try:
        if failure is not None:
            raise failure
        how, what, etc = _place(node, topology)
        try:
            fd = open_namespace(how, what)
        except NotAttached as error:
            raise NetorchError(error.of_node(node)) from None
        sys.stdout.flush()
        become(fd, etc, argv)
    except CommandError as error:
        output.fail(NetorchError(error.problems))
        return error.status


def _place(node: str, topology: str | None) -> NodePlace:
    """Return the place of a node of a live topology."""
    from netorch.converge.attached import place
    from netorch.converge.orchestrator import Orchestrator
    from netorch.converge.recorded_state import reload
    from netorch.errors import NetorchError, Problem, which_node
    from netorch.kernel.files import records
    from netorch.kernel.namespaces.open_namespaces import OWN_NETNS
    from netorch.state.key import HOST

    places: dict[str, NodePlace] = {}
    elsewhere: dict[str, tuple[str, Machine]] = {}
    known: list[str] = []
    for name in records.applied_names() if topology is None else [topology]:
        record, _ = records.read_record(name)
        if record is None:
            continue
        try:
            desired = reload(name, record).desired
        except NetorchError:
            continue
        known += desired.labels
        if (machines := desired.machines) is not None:
            hosts = {f"{HOST}.{machine}": machine for machine in machines.all}
            own = _node_named(node, desired.prefix, machines.of_node)
            there_is = hosts.get(own) or machines.of_node.get(own, machines.here)
            # the file may use either name for the host of this machine, or none
            if own == HOST or hosts.get(own) == machines.here:
                places[name] = "path", OWN_NETNS, None
            elif there_is != machines.here:
                elsewhere[name] = own, machines.all[there_is]
        if (there := place(desired, node)) is not None:
            places[name] = there
    if len({place[:2] for place in places.values()}) == 1:
        return next(iter(places.values()))
    if places or len(elsewhere) > 1:
        raise NetorchError(
            Problem(
                "ambiguous-node",
                f"node {node!r} is in several topologies ({', '.join(places or elsewhere)}): "
                "choose one with --name",
                object=node,
            )
        )
    for name, (own, machine) in elsewhere.items():
        what = f"node {own} is on {machine.name}: run the command there."
        # with the name, because another topology of that machine may have a node of the same name
        command = f"ssh {machine.address} netorch exec --name {name} {own} CMD"
        raise NetorchError(
            Problem("node-elsewhere", what, None, f"`{command}`", object=node, command=command)
        )
    with Orchestrator() as orchestrator:
        labels = orchestrator.labels()
    if node in labels:
        return "netns", node, node
    what = f"no live topology has a node {node!r}."
    remedy = which_node(node, [*known, *labels]) or "`netorch list` shows the live topologies."
    raise NetorchError(Problem("unknown-node", what, remedy=remedy, object=node))


def _node_named(word: str, prefix: str, of_node: Mapping[str, str]) -> str:
    """Return the node that a word means. It is the name of a node or of its namespace."""
    if word in of_node or not prefix:
        return word
    own = word.removeprefix(prefix)
    return own if own in of_node else word
