"""A topology as a Python value, read from a file or a text, or built from Python values.

A topology that exists is complete and valid. Everything else is a FileError.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from types import FrameType
from typing import Self

from netorch.errors import FileError, Problem, printable
from netorch.immutable import Value, replace
from netorch.kernel.files.records import Record
from netorch.kernel.files.topology_files import absolute, folder_of, read_file
from netorch.language.python_values import tree_of, yaml_of
from netorch.language.yaml_tree import Map, parse
from netorch.resolve import loader
from netorch.resolve.loaded import Given, Loaded
from netorch.version import __version__

PythonValues = Mapping[str, object]
Variables = Mapping[str, object]


class Origin(Value):
    """All that another process needs to make the same topology."""

    text: str
    """The YAML text. Bytes that are not UTF-8 are surrogate escapes."""
    file: str
    """The name of the file in error messages."""
    source: str
    """The absolute path of the file, or `-` for a text and for Python values."""
    folder: str
    """The folder from which relative paths in the topology count."""
    variables: Mapping[str, str]
    """The values of variables that the caller passed."""
    name: str | None = None
    """The name of the instance, if the caller passed one."""
    line: int | None = None
    """The line of the program that built the topology. None for a topology that was read."""


class Topology:
    """A valid topology. Build it here from Python values, or read it with `netorch.load`.

    A Topology never changes, and making one does not touch the kernel.

    The arguments are the keys of a topology file. Their values are Python values: mappings, lists,
    texts, numbers, booleans, None, and the addresses and networks of `ipaddress`. Ranges and `$(…)`
    work as in a file.

        Topology(
            "pair",
            nodes={"a": {}, "b": {}},
            links=[{"endpoints": ["a:eth0", "b:eth0"], "subnet": "10.0.0.0/30"}],
        )

    Raise FileError with all problems, each with the line of the call and the path to the value:
    `lab.py:12: nodes.a.forwardin: unknown key 'forwardin' in nodes.a. Did you mean 'forwarding'?`
    """

    __slots__ = ("_line", "_loaded", "_record")
    _loaded: Loaded
    _record: Record
    _line: int | None

    def __init__(
        self,
        name: str,
        *,
        nodes: PythonValues | None = None,
        networks: PythonValues | None = None,
        links: Sequence[object] = (),
        checks: Sequence[object] = (),
        profiles: PythonValues | None = None,
        defaults: PythonValues | None = None,
        variables: Variables | None = None,
        prefix: str | None = None,
        hosts: PythonValues | None = None,
        tunnels: PythonValues | None = None,
        names: bool = True,
        backend: PythonValues | None = None,
        folder: str | PurePath = ".",
    ) -> None:
        """Build and check the topology.

        `variables` are the `vars` of a file. `folder` is the folder of the files that the topology
        names, such as WireGuard keys.
        """
        file, line = _caller()
        sections: dict[str, object] = {
            "name": name,
            "prefix": prefix,
            "vars": variables,
            "defaults": defaults,
            "profiles": profiles,
            "hosts": hosts,
            "tunnels": tunnels,
        }
        sections |= {
            "nodes": nodes,
            "networks": networks,
            "links": links,
            "checks": checks,
            "backend": backend,
        }
        values = {key: value for key, value in sections.items() if value not in (None, (), [])} | (
            {} if names else {"names": False}
        )
        where = absolute(folder)
        try:
            tree = tree_of(values, line)
        except FileError as error:
            raise FileError(error.problems, file) from None
        self._build(tree, file, line, where)

    def _build(self, tree: Map, file: str, line: int, folder: str) -> None:
        self._line = line
        self._loaded = loader.load_tree(tree, file, {}, None, folder)
        self._record = Record(
            text=yaml_of(tree),
            source="-",
            variables={},
            override=None,
            applied=0.0,
            version=__version__,
            folder=folder,
        )

    @classmethod
    def _read(
        cls,
        data: bytes,
        file: str,
        source: str,
        folder: str,
        variables: Mapping[str, str],
        name: str | None,
    ) -> Self:
        made = cls.__new__(cls)
        made._line = None
        given = Given(frozenset(variables))
        made._loaded = loader.load(data, file, variables, name, folder, given)
        # surrogateescape, because a file in UTF-16 has bytes that are not UTF-8
        made._record = Record(
            text=data.decode("utf-8", "surrogateescape"),
            source=source,
            variables=variables,
            override=name,
            applied=0.0,
            version=__version__,
            folder=folder,
        )
        return made

    def origin(self) -> Origin:
        """Return the value from which `from_origin` makes an equal topology."""
        record = self._record
        return Origin(
            record.text,
            self._loaded.file,
            record.source,
            record.folder,
            record.variables,
            record.override,
            self._line,
        )

    @classmethod
    def from_origin(cls, origin: Origin) -> Self:
        """Make the topology of an `origin`, with the same positions in its errors."""
        data = origin.text.encode("utf-8", "surrogateescape")
        if origin.line is None:
            return cls._read(
                data, origin.file, origin.source, origin.folder, origin.variables, origin.name
            )
        made = cls.__new__(cls)
        made._build(tree_of(parse(data), origin.line), origin.file, origin.line, origin.folder)
        return made

    @property
    def name(self) -> str:
        """The name of the topology on the machine, which `netorch.destroy` accepts."""
        return self._loaded.desired.topology

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the nodes in the order of the file, with ranges expanded."""
        return tuple(self._loaded.desired.labels)

    @property
    def yaml(self) -> str:
        """The topology as the text of a topology file."""
        return self._record.text

    @property
    def loaded(self) -> Loaded:
        """The loaded topology, with which the rest of netorch works."""
        return self._loaded

    def part(self, host: str | None) -> Topology:
        """Return the part of this machine, or the topology itself if it has no `hosts`.

        `host` names this machine; None means the one whose address it has. Raise NetorchError if
        that is not known.
        """
        machines = self._loaded.desired.machines
        if machines is None:
            return self
        # here, because few topologies have `hosts`
        from netorch.converge.this_machine import this_machine
        from netorch.resolve.machines import part_of

        here = this_machine(host)(self.name, machines.all)
        part = type(self).__new__(type(self))
        part._line = self._line
        part._loaded = part_of(self._loaded, here)
        part._record = replace(self._record, machine=here)
        return part

    def record(self) -> Record:
        """Return the record for an apply that begins now."""
        return replace(self._record, applied=time.time())

    def __repr__(self) -> str:
        return f"<netorch.Topology {self.name!r} of {len(self.nodes)} nodes>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Topology) and (self._loaded.desired == other._loaded.desired)

    __hash__ = object.__hash__


Source = str | PurePath | Topology
"""A path, YAML text (a str for which `is_text` is true), or a Topology."""


def load(
    source: Source | bytes, *, variables: Variables | None = None, name: str | None = None
) -> Topology:
    """Read a topology and check it, without touching the kernel.

    Args:
        source: A path, YAML text (bytes, or a str with a newline, `: ` or `{` in it that is not the
            path of a file), or a Topology, which is returned as it is.
        variables: Values for the file's `vars`, like `--set` on the command line. netorch does not
            read variables from the environment here.
        name: The name of another instance of the topology. The name of each of its namespaces
            begins with `name-`.

    Raise FileError with all problems, each with its line and column.
    """
    if isinstance(source, Topology):
        if variables or name:
            raise FileError(
                Problem(
                    "bad-source",
                    "this Topology already has a name and variables: pass `name` and `variables`"
                    " when you make it.",
                )
            )
        return source
    words = {key: _variable_text(value) for key, value in (variables or {}).items()}
    if isinstance(source, bytes) or (isinstance(source, str) and is_text(source)):
        data = source if isinstance(source, bytes) else source.encode("utf-8", "surrogatepass")
        return Topology._read(data, loader.TEXT, "-", absolute("."), words, name)
    if not isinstance(source, (str, PurePath)):
        raise FileError(
            Problem(
                "bad-source",
                f"{type(source).__name__} is not a topology: pass a path, a text or a Topology.",
            )
        )
    path = Path(source)
    data = read_file(path)
    full_path = absolute(path)
    return Topology._read(
        data, printable(str(source)), full_path, folder_of(full_path), words, name
    )


def is_text(source: str, folder: Path = Path()) -> bool:
    """Whether a source is YAML text. Otherwise it is a path below `folder`.

    Text of one line has a mapping, and a path hardly ever looks like one. If it does, the file
    exists.
    """
    if "\n" in source or not (": " in source or "{" in source):
        return "\n" in source
    try:
        return not folder.joinpath(source).exists()
    except (OSError, ValueError):  # it is too long for a path, or has a NUL
        return True


def _variable_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _caller() -> tuple[str, int]:
    """Return the file and the line of the program that asks for a topology.

    The file is relative to the current folder, if it is in it.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    if frame is None:
        return "<python>", 1
    file = Path(frame.f_code.co_filename)
    with suppress(OSError, ValueError):
        # ValueError: the file is not in the current folder. OSError: that folder no longer exists.
        file = file.relative_to(Path.cwd())
    return str(file), frame.f_lineno
