"""Which file, with which variables: from the words of the command line, the environment and the current folder."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from netorch.api.topology import absolute, read_file
from netorch.cli import DEFAULT
from netorch.errors import FileError, NetorchError, Problem, did_you_mean, printable
from netorch.immutable import replace
from netorch.kernel.files import records
from netorch.kernel.files.records import Record
from netorch.language.variables import names_in
from netorch.language.yaml_tree import MAX_BYTES, Findings, parse
from netorch.resolve.loader import Given, Loaded, load
from netorch.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netorch.api.saved_plan import Saved
    from netorch.cli.options import FileOptions

VARIABLE = "NETORCH_VAR_"


def variables(settings: Sequence[str]) -> dict[str, str]:
    """`NETORCH_VAR_name` of the environment, and over it `--set name=value`."""
    found = {
        name[len(VARIABLE) :]: value
        for name, value in os.environ.items()
        if name.startswith(VARIABLE)
    }
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise NetorchError(
                Problem("bad-setting", f"--set {setting}: write --set NAME=VALUE", object=setting)
            )
        found[name] = value
    return found


def read(file: str) -> bytes:
    """A file's bytes, `-` being standard input."""
    if file != "-":
        return read_file(Path(file))
    try:
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        raise FileError(
            Problem("file-unreadable", f"{file}: {error.strerror}.", object=file)
        ) from None
    if len(data) > MAX_BYTES:
        raise FileError(
            Problem("file-too-large", f"{file}: the file is larger than 10 MB.", object=file)
        )
    return data


def _names_in_others(file: str, others: Sequence[str]) -> frozenset[str]:
    """The variables of the other files of a command, as far as those can be read twice and are right."""
    found: set[str] = set()
    for other in others:
        if other not in (file, "-"):
            with suppress(NetorchError):
                found |= names_in(parse(read(other), Findings()))
    return frozenset(found)


def from_file(file: str, options: FileOptions, others: Sequence[str] = ()) -> tuple[Loaded, Record]:
    """A file loaded, with the record of it. `others`: files of the same command, one of which has to have a variable of `--set`."""
    data = read(file)
    words = variables(options.set)
    given = Given(
        frozenset(setting.partition("=")[0] for setting in options.set),
        _names_in_others(file, others) if options.set else frozenset(),
    )
    source = file if file == "-" else str(absolute(file))
    folder = str(absolute(".") if file == "-" else Path(source).parent)
    loaded = load(data, printable_name(file), words, options.name, folder, given)
    # surrogateescape keeps the bytes of a file that is UTF-16
    text = data.decode("utf-8", "surrogateescape")
    return loaded, Record(
        text=text,
        source=source,
        variables=words,
        override=options.name,
        applied=time.time(),
        version=__version__,
        folder=folder,
    )


def from_plan(file: str) -> tuple[Saved, Loaded, Record]:
    """A plan that `diff --out` saved, with the topology in it loaded again."""
    from netorch.api.saved_plan import read as read_plan

    saved = read_plan(read(file), printable_name(file))
    record = replace(saved.record, applied=time.time(), version=__version__)
    data = record.text.encode("utf-8", "surrogateescape")
    loaded = load(
        data,
        printable_name(record.source),
        record.variables,
        record.override,
        record.folder or None,
    )
    if loaded.desired.topology != saved.topology:
        raise NetorchError(
            Problem(
                "bad-plan",
                f"the plan is for {saved.topology!r}, and the topology in it is {loaded.desired.topology!r}.",
            ),
            printable_name(file),
        )
    return saved, loaded, record


def write(file: str, text: str) -> None:
    """Write a file in one stroke: the old one is there until the new one is whole. What is not a plain file, such as /dev/stdout, is
    written to as it is.
    """
    path = Path(file)
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_text(text, encoding="utf-8", errors="surrogateescape")
            return
        # in a folder that others write to, nobody can have put something in its place
        temporary = path.with_name(f".netorch-{os.urandom(8).hex()}")
        opened = temporary.open("x", encoding="utf-8", errors="surrogateescape")
        try:
            with opened:
                opened.write(text)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise NetorchError(
            Problem(
                "file-unwritable", f"{printable_name(file) or repr(file)}: {reason}.", object=file
            )
        ) from None


def load_chosen(
    file: str | None, options: FileOptions, *, live: bool, hint: str = ""
) -> tuple[Loaded, Record]:
    """FILE as given, else topo.yaml here, else (if `live`) the one topology with a record. If `live`, its name will do for FILE;
    `hint` is told where a word is neither.
    """
    if file is not None:
        if live and _could_be_a_name(file) and not Path(file).exists():
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
        return from_file(file, options)
    if live and not Path(DEFAULT).exists():
        return _as_applied(only_live_topology(options.name), options)
    return from_file(default_file(), options)


def default_file() -> str:
    """topo.yaml, which has to be there."""
    if not Path(DEFAULT).exists():
        raise FileError(
            Problem("file-not-found", f"there is no {DEFAULT} here: name a FILE", object=DEFAULT)
        )
    return DEFAULT


def _could_be_a_name(word: str) -> bool:
    from netorch.language.scalars import topology_name

    try:
        return topology_name(word) == word
    except ValueError:
        return False


def _as_applied(name: str, options: FileOptions) -> tuple[Loaded, Record]:
    """A topology as it was applied last, which has its variables already."""
    loaded = _last_applied(name)
    if options.set:
        what = f"--set {options.set[0]}: {name} is taken as it was applied, with the variables of then."
        remedy = f"Name the FILE: {loaded[1].source}" if loaded[1].source != "-" else ""
        raise NetorchError(Problem("bad-setting", what, None, remedy, options.set[0]))
    return loaded


def _last_applied(name: str) -> tuple[Loaded, Record]:
    from netorch.converge.previous import reload

    record, warning = records.read_record(name)
    if record is None:
        what = f"{name} is live here, but what it was applied from is not on record: name its file"
        code = "record-damaged" if warning else "no-record"
        raise NetorchError(Problem(code, warning or what, object=name))
    return reload(name, record), record


def only_live_topology(name: str | None) -> str:
    """The one topology that is live here, or the named one."""
    if name is not None:
        return name
    names = records.applied_names()
    if not names:
        from netorch.converge.orchestrator import Orchestrator

        # the marks are there without a record too
        with Orchestrator() as lab:
            names = lab.names()
    if len(names) == 1:
        return names[0]
    if not names:
        raise NetorchError(
            Problem(
                "nothing-live", f"there is no {DEFAULT} here, and no topology is live: name a FILE"
            )
        )
    raise NetorchError(
        Problem("several-live", f"several topologies are live ({', '.join(names)}): name one")
    )


def topology_of(target: str | None, name: str | None = None, settings: Sequence[str] = ()) -> str:
    """The name meant by FILE|NAME of destroy and show, also when the file is gone or no longer right."""
    if name:
        return name
    names = records.applied_names()
    if target is None:
        if not Path(DEFAULT).exists():
            return only_live_topology(None)
        target = DEFAULT
    if target in names:
        return target
    is_file = (
        target == "-"
        or "/" in target
        or target.endswith((".yaml", ".yml"))
        or Path(target).is_file()
    )
    if not is_file:
        return target
    source = str(absolute(target))
    by_source = [
        name
        for name in names
        if (record := records.read_record(name)[0]) is not None and record.source == source
    ]
    try:
        given = Given(frozenset(setting.partition("=")[0] for setting in settings))
        loaded = load(read(target), printable_name(target), variables(settings), None, None, given)
    except FileError:
        if len(by_source) == 1:
            return by_source[0]
        raise
    return loaded.desired.topology


def printable_name(file: str) -> str:
    """A file's name as errors have it: no byte that a terminal would stumble over."""
    return printable(file)
