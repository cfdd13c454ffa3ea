"""A topology as a value of a program: read from a file or a text, or built of Python values. Complete and right, or an error."""

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
from netorch.language.python_values import tree_of, yaml_of
from netorch.language.yaml_tree import MAX_BYTES, Map, parse
from netorch.resolve import loader
from netorch.resolve.loader import Loaded
from netorch.version import __version__

PythonValues = Mapping[str, object]
Variables = Mapping[str, object]


class Origin(Value):
    """What a topology was made of: all that another process needs to make the same one.

    `file` is what errors call it, the other fields are those of its Record. `line`: the one of the
    program that built it of Python values, None for one that was read.
    """

    text: str
    file: str
    source: str
    folder: str
    variables: Mapping[str, str]
    name: str | None = None
    line: int | None = None


class Topology:
    """A topology, checked: built of Python values here, or read by `netorch.load`. It never changes, and does not touch the kernel.

    The arguments are the keys of a topology file with Python values in place of YAML: mappings, lists, texts, numbers, booleans, None,
    and the addresses and networks of `ipaddress`. Ranges and `$(…)` mean what they mean in a file.

        Topology("pair", nodes={"a": {}, "b": {}}, links=[{"endpoints": ["a:eth0", "b:eth0"], "subnet": "10.0.0.0/30"}])

    FileError has everything that is wrong, each with the line of the call and the path to the value:
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
        names: bool = True,
        backend: PythonValues | None = None,
        folder: str | PurePath = ".",
    ) -> None:
        """`variables` are the `vars` of a file. `folder`: where the files are that it names (keys of WireGuard)."""
        file, line = _caller()
        said: dict[str, object] = {
            "name": name,
            "prefix": prefix,
            "vars": variables,
            "defaults": defaults,
            "profiles": profiles,
        }
        said |= {
            "nodes": nodes,
            "networks": networks,
            "links": links,
            "checks": checks,
            "backend": backend,
        }
        values = {key: value for key, value in said.items() if value not in (None, (), [])} | (
            {} if names else {"names": False}
        )
        where = str(absolute(folder))
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
        given = loader.Given(frozenset(variables))
        made._loaded = loader.load(data, file, variables, name, folder, given)
        # surrogateescape keeps the bytes of a file that is UTF-16
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
        """What `from_origin` makes an equal topology of."""
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
        """The topology of an `origin`, with the same places in its errors."""
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
        """What it is called on the machine, and what `netorch.destroy` takes."""
        return self._loaded.desired.topology

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of its nodes, in the order of the file, ranges written out."""
        return tuple(self._loaded.desired.labels)

    @property
    def yaml(self) -> str:
        """The topology as the text of a file."""
        return self._record.text

    @property
    def loaded(self) -> Loaded:
        """What the rest of netorch works with."""
        return self._loaded

    def record(self) -> Record:
        """What is kept beside the kernel's state from an apply that begins now."""
        return replace(self._record, applied=time.time())

    def __repr__(self) -> str:
        return f"<netorch.Topology {self.name!r} of {len(self.nodes)} nodes>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Topology) and (self._loaded.desired == other._loaded.desired)

    __hash__ = object.__hash__


Source = str | PurePath | Topology
"""What says a topology: a path, a text of YAML (a str with a newline in it), or a value."""


def load(
    source: Source | bytes, *, variables: Variables | None = None, name: str | None = None
) -> Topology:
    """Read a topology and check it, without touching the kernel.

    `source` is a path, or the YAML itself: bytes, or a str with a newline in it. `variables` are values for the file's `vars`, as
    `--set` gives them on the command line; the environment is not read. `name` makes it another instance: its name, and `name-` before
    every namespace that it makes. A Topology is taken as it is. FileError has all that is wrong, each with line and column.
    """
    if isinstance(source, Topology):
        if variables or name:
            raise FileError(
                Problem(
                    "bad-source",
                    "a Topology has its name and variables already: give them where it is made.",
                )
            )
        return source
    words = {key: _word(value) for key, value in (variables or {}).items()}
    if isinstance(source, bytes) or (isinstance(source, str) and "\n" in source):
        data = source if isinstance(source, bytes) else source.encode("utf-8", "surrogatepass")
        return Topology._read(data, loader.TEXT, "-", str(absolute(".")), words, name)
    if not isinstance(source, (str, PurePath)):
        raise FileError(
            Problem(
                "bad-source",
                f"{type(source).__name__} is not a topology: give a path, a text or a Topology.",
            )
        )
    path = Path(source)
    data = read_file(path)
    whole = absolute(path)
    return Topology._read(data, printable(str(source)), str(whole), str(whole.parent), words, name)


def absolute(path: str | PurePath) -> Path:
    """The path from the root on. FileError where it counts from a folder that is not there any more."""
    try:
        return Path(path).absolute()
    except FileNotFoundError:
        what = "the current folder does not exist any more."
        remedy = "Change to another one: `cd /`."
        raise FileError(Problem("file-not-found", what, None, remedy, str(path), "cd /")) from None


def read_file(path: Path) -> bytes:
    """A file's bytes; FileError, also for more than a topology file may have."""
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        code = "file-not-found" if isinstance(error, FileNotFoundError) else "file-unreadable"
        raise FileError(Problem(code, f"{path}: {error.strerror}.", object=str(path))) from None
    except ValueError:
        raise FileError(
            Problem("bad-file-name", f"{str(path)!r} is not a file name.", object=str(path))
        ) from None
    if len(data) > MAX_BYTES:
        raise FileError(
            Problem("file-too-large", f"{path}: the file is larger than 10 MB.", object=str(path))
        )
    return data


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _caller() -> tuple[str, int]:
    """The program's file, as short as it can be, and the line that asks for a topology."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    if frame is None:
        return "<python>", 1
    file = Path(frame.f_code.co_filename)
    with suppress(OSError, ValueError):
        # ValueError: it is elsewhere; OSError: the current folder is gone
        file = file.relative_to(Path.cwd())
    return str(file), frame.f_lineno
