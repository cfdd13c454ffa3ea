"""Reads compose files of Docker and Podman: each service is a node of the topology."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from netorch.importers.compose.aliases import add_aliases
from netorch.importers.compose.commands import read_commands
from netorch.importers.compose.keys import NO_PROGRAMS
from netorch.importers.compose.networks import ComposeNetwork, read_networks
from netorch.importers.compose.nodes import add_nodes
from netorch.importers.compose.project import Project, load
from netorch.importers.compose.promises import add_checks
from netorch.importers.compose.publish import publish
from netorch.importers.compose.services import Services
from netorch.importers.draft import Draft
from netorch.importers.items import Faults, Reader
from netorch.importers.names import topology_name

if TYPE_CHECKING:
    from netorch.kernel.files.source_files import SourceFiles

_RUNNING = (
    "netorch runs no programs: `netorch exec NODE COMMAND` starts one in a node. Or let Docker run "
    "them, and write `attach: docker:NAME` into the nodes."
)
_UNNAMED = frozenset(("version",))
"""Keys that mean nothing to Compose."""


def read(files: SourceFiles, name: str | None) -> Draft:
    """Return the topology of a compose project. `files` are the compose files, merged in order.

    Raises NetorchError with the places of all errors if Compose would refuse the files.
    """
    faults = Faults()
    reader = Reader(faults)
    project = load(files, faults)
    draft = Draft(topology_name(name or project.name), files.paths[0], "Docker Compose")
    draft.note((), _RUNNING)
    _note_variables(project, draft)
    fill(draft, project, reader)
    _lose_the_rest(project, draft)
    return draft


def fill(
    draft: Draft,
    project: Project,
    reader: Reader,
    keep_all: bool = False,
    adjust: Callable[[dict[str, ComposeNetwork]], None] = lambda networks: None,
) -> None:
    """Put nodes, networks and checks for a project into a draft.

    `keep_all` is that of `read_networks`. `adjust` is called with the networks before the nodes
    join them. Raises NetorchError if there are faults.
    """
    services = Services(project, draft, reader)
    members = services.members()
    services.networks = read_networks(project, members, draft, reader, keep_all)
    adjust(services.networks)
    add_nodes(services)
    read_commands(services)
    add_aliases(services)
    publish(services)
    reader.faults.done()
    add_checks(draft, services.networks, services.uncertain)


def _note_variables(project: Project, draft: Draft) -> None:
    for variable, place in project.unset.items():
        draft.note(
            (),
            f"the variable {variable} has no value in .env or the environment of the shell, so it "
            f"is empty ({place.text()})",
        )
    for variable, place in project.from_shell.items():
        text = "has the value that it has in the environment of the shell"
        draft.note((), f"the variable {variable} {text} ({place.text()})")
    if project.override:
        draft.note((), f"{project.override} is merged, as `docker compose` does")


def _lose_the_rest(project: Project, draft: Draft) -> None:
    for key, item in project.others.items():
        if key not in _UNNAMED and not key.startswith("x-") and item.data:
            draft.lose((key,), key, NO_PROGRAMS, item.place.text())
    for item in project.remote:
        why = "netorch reads only files of this machine"
        draft.lose(("nodes",), "include", why, item.place.text(), matters=True)
