"""Ends `diff` and `apply` at once where nothing has changed since the last comparison.

It imports nothing at its top, because it runs before every `diff` and `apply`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Sequence

    from netorch.cli.options import FileOptions


def report(options: FileOptions, file: str | None, words: str, *, changes: bool) -> int | None:
    """Print that a topology is in sync, and return the exit status.

    Return None, without having printed anything, if the usual comparison has to find that out.
    `words` follow the name of the topology. `changes` says that the command would change what
    differs: it needs the lock, and FILE cannot be the name of a live topology.
    """
    forms = ("text",) if changes else ("text", "json")
    if options.output not in forms or options.verbose or options.set or options.host is not None:
        return None
    try:
        from netorch.kernel.files import state_cache

        names = state_cache.names()
        if not names:
            return None
        identity = _identity(file, options.name, () if changes else names)
    except Exception:  # the usual way explains what is wrong
        return None
    from netorch.kernel.comparison.repeat import topology_in_sync

    name = topology_in_sync(names, identity, changes=changes) if identity else None
    if name is None:
        return None
    from netorch.cli.streams import put

    if options.output == "json":
        from netorch.render import json

        put(json.difference(name))
    elif not options.quiet:
        put(f"{name}: {words}")
    return 0


def _identity(file: str | None, override: str | None, names: Sequence[str]) -> str:
    """Return the identity of the topology that a command is about, or "" if that is unusual.

    `names` are the live topologies that FILE may be the name of.
    """
    import os

    from netorch.cli import DEFAULT
    from netorch.cli.environment import variables
    from netorch.kernel.files import state_cache
    from netorch.kernel.files.topology_files import absolute, folder_of, read_file

    path = DEFAULT if file is None else file
    if path == "-":  # standard input
        return ""
    if not os.path.exists(path):
        live = names[0] if file is None and len(names) == 1 else file
        if live is None or live not in names or override is not None:
            return ""
        return state_cache.identity_on_record(live)
    if not os.path.isfile(path):
        return ""
    source = absolute(path)
    return state_cache.identity_of(
        read_file(path), source, folder_of(source), override, variables()
    )
