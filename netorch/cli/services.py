"""What `enable` and `disable` read from the command line, and print."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from netorch.boot.enable import Outcome, Request, service
from netorch.boot.files import WATCH, Settings
from netorch.cli import DEFAULT, inputs
from netorch.errors import NetorchError, Problem, did_you_mean
from netorch.kernel.files import records
from netorch.kernel.files.topology_files import absolute
from netorch.kernel.services import systemd

if TYPE_CHECKING:
    from netorch.cli.commands.enable import EnableOptions


def without_systemd(file: str | None) -> str:
    """Return what a user without systemd can do."""
    command = f"netorch apply {inputs.printable_name(absolute(file or DEFAULT))}"
    return f"Let the init system of this machine run `{command}` after it has set up the network."


def request(options: EnableOptions) -> Request:
    """Read the topology file. Raise NetorchError if it is not valid on this machine."""
    if options.file is None and options.watch and not Path(DEFAULT).exists():
        if options.set or options.name is not None or options.host is not None:
            what = "--set, --name and --host are for a topology: specify a FILE."
            raise NetorchError(Problem("file-not-found", what))
        return Request(program(), options.watch, options.now)
    file = options.file if options.file is not None else inputs.default_file()
    loaded, record = inputs.from_file(file, options)
    return Request(
        program=program(),
        watch=options.watch,
        now=options.now,
        loaded=loaded,
        data=record.text.encode("utf-8", "surrogateescape"),
        source=record.source,
        settings=Settings(
            name=options.name,
            host=options.host,
            variables=_variables(record.text, record.variables, options.set),
        ),
    )


def _variables(text: str, values: Mapping[str, str], settings: list[str]) -> dict[str, str]:
    """Return the given variables: those of `--set`, and those of the environment that the file
    has.
    """
    from netorch.language.variables import names_in
    from netorch.language.yaml_tree import Findings, parse

    known = names_in(parse(text.encode("utf-8", "surrogateescape"), Findings()))
    known |= {setting.partition("=")[0] for setting in settings}
    return {name: value for name, value in values.items() if name in known}


def program() -> tuple[str, ...]:
    """Return the words that start this netorch: its script, else Python with the module."""
    for path in (Path(sys.argv[0]), Path(sys.executable).parent / "netorch"):
        if path.name == "netorch" and path.is_file() and os.access(path, os.X_OK):
            return (absolute(path),)
    return (sys.executable, "-m", "netorch")


def topology(request: Request) -> str | None:
    """Return the name of the topology of a request."""
    return request.loaded.desired.topology if request.loaded is not None else None


def sentences(request: Request, outcome: Outcome) -> Iterator[str]:
    """Yield what was enabled."""
    name = topology(request)
    already = "" if outcome.changed else " (nothing to do)"
    if name is not None:
        yield f"{name}: {outcome.path} is applied when this machine starts{already}"
        if not request.now and name not in records.applied_names():
            yield f"{name}: `systemctl start {service(name)}` applies it now"
    if request.watch:
        yield f"{WATCH} puts right what drifts in the topologies of this machine{already}"
        if not request.now and systemd.state_of(WATCH, "is-active") != "active":
            yield f"`systemctl start {WATCH}` starts it now"


def sentences_of_disable(name: str | None, watch: bool, outcome: Outcome) -> Iterator[str]:
    """Yield what was disabled."""
    enabled = systemd.enabled_instances()
    if name is not None and outcome.changed:
        yield f"{name}: it is not applied any more when this machine starts"
        if name in records.applied_names():
            yield f"{name}: it is still live, and `netorch destroy {name}` removes it"
    elif name is not None:
        known = f". Enabled: {', '.join(enabled)}. {did_you_mean(name, enabled)}" if enabled else ""
        yield f"{name}: it is not enabled{known}".rstrip(". ")
    if watch:
        yield f"{WATCH} is disabled"
    elif not enabled and systemd.state_of(WATCH, "is-enabled") == "enabled":
        yield f"{WATCH} is still enabled: `netorch disable --watch` disables it"


def check_name(name: str) -> None:
    """Raise NetorchError if this is not the name of a topology."""
    from netorch.language.names import topology_name

    try:
        topology_name(name)
    except ValueError as error:
        remedy = "`disable` takes the name of a topology, not a file." if "." in name else ""
        raise NetorchError(Problem("bad-topology-name", f"{error}.", None, remedy, name)) from None
