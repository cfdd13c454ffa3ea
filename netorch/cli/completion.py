"""What a shell offers while a command line is typed: the words of the parser by argcomplete, and the names that only this machine knows.

It runs at each press of the Tab key, for anybody: what may not be read is not offered, and nothing is ever an error.
"""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from netorch.cli import DEFAULT

TOPOLOGIES = (".yaml", ".yml")
MOST = 10_000
"""Entries of a folder that are looked at."""
LARGEST = 1_000_000
"""Bytes of a file that are read."""


def answer(parser: argparse.ArgumentParser) -> None:
    """Say what may follow, to the shell that asks. Does not return."""
    import argcomplete

    for action in _actions(parser):
        if (names := _NAMES.get(str(action.metavar))) is not None:
            action.completer = names  # type: ignore[attr-defined]
        elif (
            action.choices is None
            and action.nargs != 0
            and not isinstance(action, argparse._SubParsersAction)
        ):
            action.completer = _nothing  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser, always_complete_options=False)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)


def files(prefix: str, suffixes: tuple[str, ...] = ()) -> list[str]:
    """Folders, and files whose names end in one of these. Names that a terminal would stumble over are left out."""
    start = prefix.rpartition("/")[2]
    lead = prefix[: len(prefix) - len(start)]
    found: list[str] = []
    # RuntimeError: a `~nobody/` that is nobody's
    with (
        suppress(OSError, ValueError, RuntimeError),
        os.scandir(Path(lead).expanduser()) as entries,
    ):
        for _, entry in zip(range(MOST), entries, strict=False):
            if (
                not entry.name.startswith(start)
                or (entry.name.startswith(".") and not start)
                or not entry.name.isprintable()
            ):
                continue
            if entry.is_dir():
                found.append(f"{lead}{entry.name}/")
            elif entry.name.endswith(suffixes or ("",)):
                found.append(f"{lead}{entry.name}")
    return sorted(found)


def topologies() -> list[str]:
    """Those that are live here."""
    from netorch.errors import NetorchError
    from netorch.kernel.files import records

    with suppress(NetorchError, OSError):
        return records.applied_names()
    return []


def nodes(topology: str | None) -> list[str]:
    """The nodes of what is live here, or of one topology; without any those of the file in the current folder."""
    from netorch.errors import NetorchError
    from netorch.kernel.files import records

    found: list[str] = []
    for name in [topology] if topology else topologies():
        with suppress(NetorchError, OSError):
            record, _ = records.read_record(name)
            if record is not None:
                found += _nodes_in(
                    record.text.encode("utf-8", "surrogateescape"), dict(record.variables)
                )
    if not found and topology is None:
        with suppress(OSError):
            found = _nodes_in(beginning(Path(DEFAULT)), {})
    return list(dict.fromkeys(found))


def beginning(path: Path) -> bytes:
    """The first bytes of a plain file.

    Nothing else is even opened, because who writes to a pipe would take us for its reader.
    """
    if not path.is_file():
        return b""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read(LARGEST) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""


def _nodes_in(data: bytes, variables: dict[str, str]) -> list[str]:
    # neither the models nor the kernel: there is a tenth of a second for all of it
    from netorch.errors import NetorchError
    from netorch.language.expand import expand
    from netorch.language.yaml_tree import Findings, parse

    with suppress(NetorchError, RecursionError):
        found = Findings()
        entries = expand(parse(data, found), variables, found).get("nodes")
        return [name for name in entries if name.isprintable()] if isinstance(entries, dict) else []
    return []


Completer = Callable[..., list[str]]


def _nothing(**_: object) -> list[str]:
    return []


def _file(prefix: str, **_: object) -> list[str]:
    return files(prefix, TOPOLOGIES)


def _any_file(prefix: str, **_: object) -> list[str]:
    return files(prefix)


def _name(prefix: str, **_: object) -> list[str]:
    return [name for name in topologies() if name.startswith(prefix)]


def _file_or_name(prefix: str, **_: object) -> list[str]:
    return [*_name(prefix), *_file(prefix)]


def _node(prefix: str, parsed_args: argparse.Namespace, **_: object) -> list[str]:
    return [name for name in nodes(getattr(parsed_args, "name", None)) if name.startswith(prefix)]


def _end(prefix: str, parsed_args: argparse.Namespace, **_: object) -> list[str]:
    """Of `explain`: a node, of the file that --file names if it does; a file may be the only word."""
    named: str | None = getattr(parsed_args, "topology", None)
    found = nodes(getattr(parsed_args, "name", None))
    if named is not None:
        with suppress(OSError, ValueError, RuntimeError):
            found = _nodes_in(beginning(Path(named).expanduser()), {})
    alone = not getattr(parsed_args, "words", None) and named is None
    return [
        *(name for name in found if name.startswith(prefix)),
        *(files(prefix, TOPOLOGIES) if alone else []),
    ]


_NAMES: dict[str, Completer] = {
    "FILE": _file,
    "NEW": _file,
    "NAME": _name,
    "FILE|NAME": _file_or_name,
    "NAME|FILE": _file_or_name,
    "NODE": _node,
    "FILE|A B": _end,
    "PLAN": _any_file,
    "PATH": _any_file,
}
"""What an argument is called in the help → what may stand there."""
