"""Completes command lines for a shell. argcomplete completes commands and options, this module the
names of files, topologies and nodes.

It runs at each press of the Tab key, for any user. It ignores files that it may not read, and it
never raises an error.
"""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from netorch.cli import DEFAULT

TOPOLOGY_SUFFIXES = (".yaml", ".yml")
MAX_ENTRIES = 10_000
"""The largest number of entries that are read of a folder."""
MAX_BYTES = 1_000_000
"""The largest number of bytes that are read of a file."""


def answer(parser: argparse.ArgumentParser) -> None:
    """Print the completions for the shell that asks. Does not return."""
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
    """Return folders, and files whose names end in one of the suffixes.

    Names with unprintable characters are left out.
    """
    start = prefix.rpartition("/")[2]
    lead = prefix[: len(prefix) - len(start)]
    matches: list[str] = []
    # RuntimeError: the user in `~user/` does not exist
    with (
        suppress(OSError, ValueError, RuntimeError),
        os.scandir(Path(lead).expanduser()) as entries,
    ):
        for _, entry in zip(range(MAX_ENTRIES), entries, strict=False):
            if (
                not entry.name.startswith(start)
                or (entry.name.startswith(".") and not start)
                or not entry.name.isprintable()
            ):
                continue
            if entry.is_dir():
                matches.append(f"{lead}{entry.name}/")
            elif entry.name.endswith(suffixes or ("",)):
                matches.append(f"{lead}{entry.name}")
    return sorted(matches)


def topologies() -> list[str]:
    """Return the names of the live topologies."""
    from netorch.errors import NetorchError
    from netorch.kernel.files import records

    with suppress(NetorchError, OSError):
        return records.applied_names()
    return []


def nodes(topology: str | None) -> list[str]:
    """Return the nodes of one live topology, or of all.

    If no topology is live, return the nodes of the file in the current folder.
    """
    from netorch.errors import NetorchError
    from netorch.kernel.files import records

    names: list[str] = []
    for name in [topology] if topology else topologies():
        with suppress(NetorchError, OSError):
            record, _ = records.read_record(name)
            if record is not None:
                names += _nodes_in(
                    record.text.encode("utf-8", "surrogateescape"), dict(record.variables)
                )
    if not names and topology is None:
        with suppress(OSError):
            names = _nodes_in(beginning(Path(DEFAULT)), {})
    return list(dict.fromkeys(names))


def beginning(path: Path) -> bytes:
    """Return the first bytes of a plain file.

    Other files are not opened, because the writer of a pipe would take netorch for its reader.
    """
    if not path.is_file():
        return b""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read(MAX_BYTES) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""


def _nodes_in(data: bytes, variables: dict[str, str]) -> list[str]:
    # This imports neither the models nor the kernel room, because completion has only a tenth of a
    # second.
    from netorch.errors import NetorchError
    from netorch.language.expand import expand
    from netorch.language.yaml_tree import Findings, parse

    with suppress(NetorchError, RecursionError):
        findings = Findings()
        entries = expand(parse(data, findings), variables, findings).get("nodes")
        return [name for name in entries if name.isprintable()] if isinstance(entries, dict) else []
    return []


Completer = Callable[..., list[str]]


def _nothing(**_: object) -> list[str]:
    return []


def _file(prefix: str, **_: object) -> list[str]:
    return files(prefix, TOPOLOGY_SUFFIXES)


def _any_file(prefix: str, **_: object) -> list[str]:
    return files(prefix)


def _name(prefix: str, **_: object) -> list[str]:
    return [name for name in topologies() if name.startswith(prefix)]


def _file_or_name(prefix: str, **_: object) -> list[str]:
    return [*_name(prefix), *_file(prefix)]


def _file_name_or_node(prefix: str, **_: object) -> list[str]:
    more = [node for node in nodes(None) if node.startswith(prefix)]
    return list(dict.fromkeys([*_file_or_name(prefix), *(more if prefix else [])]))


def _node(prefix: str, parsed_args: argparse.Namespace, **_: object) -> list[str]:
    return [name for name in nodes(getattr(parsed_args, "name", None)) if name.startswith(prefix)]


def interfaces(node: str, topology: str | None) -> list[str]:
    """Return the interfaces that a live node has now. Only root can see them."""
    import socket

    from netorch.kernel.files import state_cache
    from netorch.kernel.system.nsfs import netns_fd
    from netorch.kernel.system.syscalls import setns

    with suppress(OSError, LookupError, TypeError):
        for name in state_cache.names() if topology is None else [topology]:
            label = (state_cache.places_on_record(name) or {"labels": {}})["labels"].get(node)
            if label is not None and label != "host":
                setns(netns_fd(f"/run/netns/{label}", follow=True))
            if label is not None or node == "host":
                return [interface for _, interface in socket.if_nameindex()]
    return []


def _interface(prefix: str, parsed_args: argparse.Namespace, **others: object) -> list[str]:
    """Complete NODE:IF."""
    node, colon, start = prefix.partition(":")
    if not colon:
        return _node(prefix, parsed_args, **others)
    names = interfaces(node, getattr(parsed_args, "name", None))
    return [f"{node}:{name}" for name in names if name.startswith(start) and name.isprintable()]


def _end(prefix: str, parsed_args: argparse.Namespace, **_: object) -> list[str]:
    """Complete an argument of `explain`: a node, or a file if it is the only argument.

    The nodes are those of the file in --file, if there is one.
    """
    named: str | None = getattr(parsed_args, "topology", None)
    names = nodes(getattr(parsed_args, "name", None))
    if named is not None:
        with suppress(OSError, ValueError, RuntimeError):
            names = _nodes_in(beginning(Path(named).expanduser()), {})
    alone = not getattr(parsed_args, "words", None) and named is None
    return [
        *(name for name in names if name.startswith(prefix)),
        *(files(prefix, TOPOLOGY_SUFFIXES) if alone else []),
    ]


_NAMES: dict[str, Completer] = {
    "FILE": _file,
    "NEW": _file,
    "NAME": _name,
    "FILE|NAME": _file_or_name,
    "NAME|FILE": _file_or_name,
    "NAME|FILE|NODE": _file_name_or_node,
    "NODE": _node,
    "NODE:IF": _interface,
    "NODE[:IF]": _interface,
    "NODE[:IF]|FILTER": _interface,
    "FILE|A B": _end,
    "PLAN": _any_file,
    "PATH": _any_file,
}
"""Metavar of an argument → its completer."""
