"""Finds and loads the topology of a command, from the command line, the environment and the current
folder.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from netorch.cli import DEFAULT, environment
from netorch.converge import recorded_state
from netorch.errors import FileError, NetorchError, Problem, did_you_mean, printable
from netorch.immutable import replace
from netorch.kernel.files import records
from netorch.kernel.files.records import Record
from netorch.kernel.files.topology_files import absolute, folder_of, not_too_large, read_file
from netorch.resolve.loaded import Given, Loaded
from netorch.values.limits import MAX_BYTES
from netorch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netorch.api.saved_plan import Saved
    from netorch.cli.options import FileOptions
    from netorch.resolve.desired import Desired, Machine
    from netorch.resolve.loaded import Choose


def variables(settings: Sequence[str]) -> dict[str, str]:
    """Return the variables of `--set name=value`, and of `NETORCH_VAR_name` in the environment.

    `--set` overrides the environment.
    """
    values = environment.variables()
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise NetorchError(
                Problem("bad-setting", f"--set {setting}: write --set NAME=VALUE", object=setting)
            )
        values[name] = value
    return values


def read(file: str) -> bytes:
    """Return a file's bytes. `-` is standard input."""
    if file != "-":
        return read_file(file)
    try:
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        raise FileError(
            Problem("file-unreadable", f"{file}: {error.strerror}.", object=file)
        ) from None
    return not_too_large(file, data)


def _names_in_others(file: str, others: Sequence[str]) -> frozenset[str]:
    """Return the variables in the other files of a command.

    Standard input and invalid files are left out.
    """
    names: set[str] = set()
    for other in others:
        if other not in (file, "-"):
            from netorch.language.variables import names_in
            from netorch.language.yaml_tree import Findings, parse

            with suppress(NetorchError):
                names |= names_in(parse(read(other), Findings()))
    return frozenset(names)


def from_file(
    file: str, options: FileOptions, others: Sequence[str] = (), *, whole: bool = False
) -> tuple[Loaded, Record]:
    """Load a file. Returns the topology and its record.

    `others` are the other files of the command: a variable of `--set` is valid if any of the files
    has it. Of a file with `hosts` it loads the part of this machine, or with `whole` the parts of
    all machines, unless the user names one.
    """
    try:
        record = _record_of(file, options.set, options.name)
    except FileError as error:
        raise _with_file_of_name(error, file) from None
    given = Given(
        _names_of(options.set), _names_in_others(file, others) if options.set else frozenset()
    )
    choose = _this_machine(options.host) if options.host is not None or not whole else None
    return _of_machine(recorded_state.load(record, printable_name(file), given, choose), record)


def _with_file_of_name(error: FileError, file: str) -> FileError:
    """Return the error about a FILE, with the right file if it is the name of a live topology."""
    problem = error.problems[0]
    if problem.code != "file-not-found" or not _could_be_a_name(file):
        return error
    record = None
    # a user who is not root cannot read the records
    with suppress(NetorchError):
        record = records.read_record(file)[0] if file in records.applied_names() else None
    if record is None:
        return error
    what = f"there is no file {file!r} here, but a live topology of this name."
    source = printable_name(record.source)
    remedy = f"Specify its file: {source}." if source != "-" else "Specify a file."
    return FileError(replace(problem, what=what, remedy=remedy))


def _this_machine(host: str | None) -> Choose:
    """Return the function that finds this machine among those of a file."""

    def choose(topology: str, machines: Mapping[str, Machine]) -> str:
        # here, because few files have `hosts`
        from netorch.converge.this_machine import this_machine

        return this_machine(host)(topology, machines)

    return choose


def _of_machine(loaded: Loaded, record: Record) -> tuple[Loaded, Record]:
    """Return a loaded file with its record, which names the machine whose part is loaded."""
    machines = loaded.desired.machines
    return loaded, record if machines is None else replace(record, machine=machines.here)


def _names_of(settings: Sequence[str]) -> frozenset[str]:
    """Return the variables that `--set` sets."""
    return frozenset(setting.partition("=")[0] for setting in settings)


def _record_of(file: str, settings: Sequence[str], name: str | None) -> Record:
    """Read a file. Returns the record that an apply of it would write."""
    source = file if file == "-" else absolute(file)
    return Record(
        # surrogateescape, because a file in UTF-16 has bytes that are not UTF-8
        text=read(file).decode("utf-8", "surrogateescape"),
        source=source,
        variables=variables(settings),
        override=name,
        applied=time.time(),
        version=__version__,
        folder=absolute(".") if file == "-" else folder_of(source),
    )


def from_plan(file: str, options: FileOptions) -> tuple[Saved, Loaded, Record]:
    """Load a plan that `diff --out` saved, and the topology in it."""
    from netorch.api.saved_plan import check_machine
    from netorch.api.saved_plan import read as read_plan

    saved = read_plan(read(file), printable_name(file))
    record = replace(saved.record, applied=time.time(), version=__version__)
    choose = _this_machine(options.host)
    loaded, record = _of_machine(
        recorded_state.load(record, printable_name(record.source), None, choose), record
    )
    if loaded.desired.topology != saved.topology:
        raise NetorchError(
            Problem(
                "bad-plan",
                f"the plan is for {saved.topology!r}, "
                f"but the file in it is for {loaded.desired.topology!r}.",
            ),
            printable_name(file),
        )
    check_machine(saved, record.machine, printable_name(file))
    return saved, loaded, record


def write(file: str, content: str | bytes) -> None:
    """Replace a file in one step, so that a reader never sees half of it.

    Symbolic links and files that are not plain, such as /dev/stdout, are written directly.
    """
    from pathlib import Path

    path = Path(file)
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_bytes(data)
            return
        # a random name and mode "x", because other users may write to this folder, too
        temporary = path.with_name(f".netorch-{os.urandom(8).hex()}")
        opened = temporary.open("xb")
        try:
            with opened:
                opened.write(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        what = f"{printable_name(file) or repr(file)} cannot be written: {reason}."
        is_lost = not path.parent.is_dir()
        remedy = f"Make the folder {printable_name(str(path.parent))} first." if is_lost else ""
        raise NetorchError(Problem("file-unwritable", what, remedy=remedy, object=file)) from None


def not_live(name: str) -> NetorchError:
    """Return the error for a topology of which nothing exists here."""
    what = f"topology {name!r} is not live here."
    remedy = "`netorch list` shows the live topologies."
    return NetorchError(Problem("not-live", what, remedy=remedy, object=name))


def load_chosen(
    file: str | None, options: FileOptions, *, live: bool, hint: str = "", whole: bool = False
) -> tuple[Loaded, Record]:
    """Load the topology that a command is about.

    This is FILE, else topo.yaml in the current folder. With `live`, FILE may be the name of a live
    topology, and without FILE and topo.yaml the only live topology is loaded.

    `hint` is the remedy in the error for a FILE that is neither a file nor a live topology. `whole`
    is that of `from_file`.
    """
    if file is not None:
        if live and _could_be_a_name(file) and not os.path.exists(file):
            names = records.applied_names()
            if file in names:
                return _as_applied(file, options)
            raise FileError(
                Problem(
                    "file-not-found",
                    f"there is no file {file!r} here, and no topology of that name is live.",
                    remedy=did_you_mean(file, names) or hint,
                    object=file,
                )
            )
        return from_file(file, options, whole=whole)
    if live and not os.path.exists(DEFAULT):
        return _as_applied(only_live_topology(options.name, "with --name"), options)
    return from_file(default_file(), options, whole=whole)


def whole(loaded: Loaded, record: Record) -> Desired:
    """Return the state of all machines, if only the part of one of them is loaded."""
    machines = loaded.desired.machines
    if machines is None or not machines.here:
        return loaded.desired
    return recorded_state.load(record, loaded.file).desired


def _other_suffix() -> str:
    """Return words about topo.yml, "" if the current folder does not have it."""
    other = f"{DEFAULT.removesuffix('.yaml')}.yml"
    return f", but there is a {other}" if os.path.exists(other) else ""


def default_file() -> str:
    """Return topo.yaml. Raise FileError if the current folder does not have it."""
    if not os.path.exists(DEFAULT):
        raise FileError(
            Problem(
                "file-not-found",
                f"there is no {DEFAULT} here{_other_suffix()}: specify a FILE",
                object=DEFAULT,
            )
        )
    return DEFAULT


def _could_be_a_name(word: str) -> bool:
    from netorch.language.names import topology_name

    try:
        return topology_name(word) == word
    except ValueError:
        return False


def _as_applied(name: str, options: FileOptions) -> tuple[Loaded, Record]:
    """Load a topology as it was last applied, with the variables of that time."""
    loaded = _last_applied(name)
    if options.set:
        what = (
            f"--set {options.set[0]}: netorch uses topology {name} as it was applied, "
            "with its variables of that time."
        )
        remedy = f"Specify the file: {loaded[1].source}" if loaded[1].source != "-" else ""
        raise NetorchError(Problem("bad-setting", what, None, remedy, options.set[0]))
    return loaded


def _last_applied(name: str) -> tuple[Loaded, Record]:
    record, warning = records.read_record(name)
    if record is None:
        what = f"{name} is live here, but there is no record of its file: specify the file"
        code = "record-damaged" if warning else "no-record"
        raise NetorchError(Problem(code, warning or what, object=name))
    return recorded_state.reload(name, record), record


def only_live_topology(name: str | None, how: str = "by its name") -> str:
    """Return `name`, else the name of the only live topology.

    `how` tells the user how to choose one of several.
    """
    if name is not None:
        return name
    names = records.applied_names()
    if not names:
        from netorch.converge.orchestrator import Orchestrator

        # a topology without a record is still live by its marks
        with Orchestrator() as orchestrator:
            names = orchestrator.names()
    if len(names) == 1:
        return names[0]
    if not names:
        raise NetorchError(
            Problem(
                "nothing-live",
                f"there is no {DEFAULT} here{_other_suffix()}, and no topology is live: "
                "specify a FILE",
            )
        )
    raise NetorchError(
        Problem(
            "several-live", f"several topologies are live ({', '.join(names)}): specify one {how}"
        )
    )


def _any_machine(topology: str, machines: Mapping[str, Machine]) -> str:
    """Return the machine as which a topology was applied here, else the first one."""
    applied, _ = records.read_record(topology)
    known = applied.machine if applied is not None else ""
    return known if known in machines else next(iter(machines))


def is_default_here() -> bool:
    """Whether the file of a command that names none is in this folder."""
    return os.path.exists(DEFAULT)


def topology_of(target: str | None, name: str | None = None, settings: Sequence[str] = ()) -> str:
    """Return the name of the topology that FILE|NAME of destroy and show means.

    A file that no longer exists or is no longer valid is looked up in the records.
    """
    if name:
        return name
    names = records.applied_names()
    if target is None:
        if not is_default_here():
            return only_live_topology(None)
        target = DEFAULT
    if target in names:
        return target
    is_file = (
        target == "-"
        or "/" in target
        or target.endswith((".yaml", ".yml"))
        or os.path.isfile(target)
    )
    if not is_file:
        return target
    source = absolute(target)
    try:
        record = _record_of(target, settings, None)
        # one machine is enough for the name, and all of them may be very large
        given = Given(_names_of(settings))
        loaded = recorded_state.load(record, printable_name(target), given, _any_machine)
    except FileError as error:
        wrong = {one.object for one in error.problems if one.code == "unknown-variable"}
        if not wrong.isdisjoint(_names_of(settings)):
            raise  # because the command line is wrong, and not the file
        by_source = [
            name
            for name in names
            if (applied := records.read_record(name)[0]) is not None and applied.source == source
        ]
        if len(by_source) == 1:
            return by_source[0]
        raise
    return loaded.desired.topology


def printable_name(file: str) -> str:
    """Return a file's name for messages, without unprintable characters."""
    return printable(file)
