"""The loaded file of a record: from the cache beside the record, else from the recorded text."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from netorch.errors import NetorchError, Problem
from netorch.kernel.files import records, state_cache
from netorch.resolve import stored
from netorch.resolve.loaded import Choose, Given, Loaded

if TYPE_CHECKING:
    from collections.abc import Set

    from netorch.kernel.files.records import Record


def reload(name: str, record: Record) -> Loaded:
    """Load the recorded file as it was applied. Raise NetorchError if it is another topology's."""
    loaded = _cached(name, record, record.source, identity_of(record))
    if loaded is None or _machine_of(loaded) != record.machine:
        loaded = _load(record, record.source, choose=lambda *_: record.machine)
    if loaded.desired.topology != name:
        what = f"the record of {name!r} holds another topology, {loaded.desired.topology!r}"
        raise NetorchError(Problem("record-damaged", what, object=name))
    return loaded


def load(
    record: Record, file: str, given: Given | None = None, choose: Choose | None = None
) -> Loaded:
    """Load a file for a command. Use the cache if the same file has been applied.

    `record` is what an apply would write. `file` is the name of the file in errors. `choose` finds
    the machine whose part of a file with `hosts` is loaded, None for the whole. Raise FileError
    with every error.
    """
    names = given.names if given is not None else frozenset[str]()
    loaded = _applied(record, file, names)
    if loaded is not None and (machines := loaded.desired.machines) is not None:
        here = choose(loaded.desired.topology, machines.all) if choose is not None else ""
        loaded = loaded if here == machines.here else None
    return loaded or _load(record, file, given, choose)


def _machine_of(loaded: Loaded) -> str:
    machines = loaded.desired.machines
    return "" if machines is None else machines.here


def save(name: str, record: Record, loaded: Loaded) -> None:
    """Write the cache of a topology, if it is not up to date. The caller holds its lock.

    An error does not matter, because the cache only saves time. A state with a path that is not
    UTF-8 cannot be encoded.
    """
    identity = identity_of(record)
    if state_cache.read_identity(name) != identity or not _is_of_machine(name, loaded):
        with suppress(NetorchError, OSError, UnicodeEncodeError):
            records.write_state(name, state_cache.contents(identity, *stored.encode(loaded)))


def _is_of_machine(name: str, loaded: Loaded) -> bool:
    """Tell whether the cache of a topology is of the machine whose part is loaded."""
    if loaded.desired.machines is None:
        return True
    try:
        places = state_cache.split(state_cache.read(name))[1]
    except (OSError, ValueError):
        return False
    return places.get("machine") == loaded.desired.machines.here


def _applied(record: Record, file: str, given: Set[str]) -> Loaded | None:
    identity = identity_of(record)
    try:
        names = records.applied_names()
    except NetorchError:
        return None  # because the command reports it when it needs the records
    for name in names:
        if state_cache.read_identity(name) == identity:
            loaded = _cached(name, record, file, identity)
            # a variable that the user sets by name must be one that the file has
            if loaded is not None and loaded.desired.topology == name and given <= loaded.given:
                return loaded
    return None


def _cached(name: str, record: Record, file: str, identity: str) -> Loaded | None:
    try:
        stored_identity, places, content = state_cache.split(state_cache.read(name))
        if stored_identity != identity:
            return None
        return stored.decode(places, content, file, lambda: _load(record, file).source)
    except (OSError, ValueError):
        return None


def _load(
    record: Record, file: str, given: Given | None = None, choose: Choose | None = None
) -> Loaded:
    from netorch.resolve import loader

    return loader.load(
        record.text.encode("utf-8", "surrogateescape"),
        file,
        record.variables,
        record.override,
        record.folder or None,
        given,
        choose,
    )


def identity_of(record: Record) -> str:
    return state_cache.identity_of(
        record.text.encode("utf-8", "surrogateescape"),
        record.source,
        record.folder,
        record.override,
        record.variables,
    )
