"""Loads compose files as one project: variables, `include`, `extends`, and several files merged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from netorch.errors import NetorchError
from netorch.immutable import Value
from netorch.importers.compose.keys import NETWORK_KEYS
from netorch.importers.compose.merge import clean, merge
from netorch.importers.compose.variables import VariableError, env_file, interpolate
from netorch.importers.items import Faults, Item, Place, Reader, parse, parse_documents

if TYPE_CHECKING:
    from netorch.kernel.files.source_files import SourceFiles

TAGS = ("!reset", "!override")
"""The YAML tags of Compose."""
_DEPTH = 20
"""The number of files that may include, or services that may extend, one another."""
_OVERRIDES = (
    ("compose.yaml", ("compose.override.yaml", "compose.override.yml")),
    ("compose.yml", ("compose.override.yml", "compose.override.yaml")),
    ("docker-compose.yml", ("docker-compose.override.yml", "docker-compose.override.yaml")),
    ("docker-compose.yaml", ("docker-compose.override.yaml", "docker-compose.override.yml")),
)
"""File that `docker compose` reads by default → the files that it merges with it."""
DEFAULTS = tuple(name for name, _ in _OVERRIDES)
"""The files that `docker compose` reads by default: the first one that exists."""
_USE = re.compile(r"(?<!\$)(?:\$\$)*\$\{?([A-Za-z_]\w*)")
"""A use of a variable, which no further dollar sign makes a text."""


class Project(Value):
    """A compose project, with all files merged."""

    name: str
    services: dict[str, Item]
    networks: dict[str, Item]
    others: dict[str, Item]
    """The other keys at the top, such as `volumes`."""
    unset: dict[str, Place]
    """Variable without a value → the first place that uses it."""
    remote: tuple[Item, ...]
    """Entries of `include` that are not files."""
    variables: dict[str, str]
    """The variables of `.env` and of the environment of the shell."""
    from_shell: dict[str, Place]
    """Variable that has its value from the environment of the shell → the first place that uses it.
    """
    override: str
    """The file beside the source that was merged with it, "" if there is none."""


def load(files: SourceFiles, faults: Faults) -> Project:
    """Return the project of the sources. Raise NetorchError if a file cannot be read."""
    return _Loader(files, faults).project()


class _Loader:
    def __init__(self, files: SourceFiles, faults: Faults) -> None:
        self.files, self.faults, self.read = files, faults, Reader(faults)
        self.unset: dict[str, Place] = {}
        self.from_shell: dict[str, Place] = {}
        self.remote: list[Item] = []
        self.variables = {"COMPOSE_PROJECT_NAME": project_name(PurePosixPath(files.folder).name)}
        self.variables |= self._env(".env", files.environment)
        self.variables |= files.environment

    def project(self) -> Project:
        tree: Item | None = None
        paths, override = self._paths(), self._override()
        for path in paths:
            tree = self._file(path, self.files.read(path), "", self.variables, tree, 0)
        if override:
            data = self.files.sibling(override)
            tree = self._file(override, data, "", self.variables, tree, 0)
        assert tree is not None
        others = dict(tree.data)
        others.pop("name", None)
        services = self.read.mapping(others.pop("services", tree.with_data(None)), "services")
        networks = self.read.mapping(others.pop("networks", tree.with_data(None)), "networks")
        if not services and not networks:
            self.faults.add(tree.place, "The file is not a compose file: it has no `services`.")
        return Project(
            self.variables["COMPOSE_PROJECT_NAME"],
            services,
            networks,
            others,
            self.unset,
            tuple(self.remote),
            self.variables,
            self.from_shell,
            override,
        )

    def _paths(self) -> list[str]:
        """Return the files to read. Of a folder, it is the one that `docker compose` reads."""
        paths = self.files.paths
        if not self.files.is_folder:
            return paths
        names = self.files.names()
        return [f"{paths[0].rstrip('/')}/{name}" for name in DEFAULTS if name in names][:1]

    def _override(self) -> str:
        """Return the file that `docker compose` merges with its default file."""
        if len(self.files.paths) != 1:
            return ""
        name = PurePosixPath(self._paths()[0]).name
        names = dict(_OVERRIDES).get(name, ())
        return next((one for one in names if self.files.exists(one)), "")

    def _env(self, path: str, known: Mapping[str, str]) -> dict[str, str]:
        if not self.files.exists(path):
            return {}
        return env_file(self.files.sibling(path).decode("utf-8", "replace"), known)

    def _file(
        self,
        name: str,
        data: bytes,
        folder: str,
        values: Mapping[str, str],
        base: Item | None,
        depth: int,
    ) -> Item:
        """Return the tree of a file over that of the files before it, `base`.

        Its documents are merged in order, like several files.
        """
        result = base
        for tree in parse_documents(name, data, TAGS):
            result = self._document(name, tree, folder, values, result, depth)
        assert result is not None
        return result

    def _document(
        self,
        name: str,
        tree: Item,
        folder: str,
        values: Mapping[str, str],
        base: Item | None,
        depth: int,
    ) -> Item:
        if depth == 0 and tree.get("name").data:
            own = self.read.text(self._interpolated(tree.get("name"), values, ("name",)), "name")
            self.variables["COMPOSE_PROJECT_NAME"] = project_name(own)
        tree = self._interpolated(tree, values)
        entries = self.read.mapping(tree, name)
        include = self.read.sequence(entries.pop("include", tree.with_data(None)), "include")
        services = entries.get("services")
        if services is not None and isinstance(services.data, dict):
            known = {**(base.get("services").data or {} if base else {}), **services.data}
            extended = {
                key: self._extended(key, one, known, name, folder, values, ())
                for key, one in services.data.items()
            }
            entries["services"] = services.with_data(extended)
        parts: list[Item] = [] if base is None else [base]
        parts += (
            self._included(one, folder, values, depth) for one in include if self._is_local(one)
        )
        result = Item({}, tree.place)
        for part in (*parts, tree.with_data(entries)):
            result = merge(result, part) or result
        return result

    def _is_local(self, entry: Item) -> bool:
        path = entry.get("path") if isinstance(entry.data, dict) else entry
        first = path.data[0].data if isinstance(path.data, list) and path.data else path.data
        if isinstance(first, str) and ("://" in first or first.startswith("git@")):
            self.remote.append(entry)
            return False
        return True

    def _included(self, entry: Item, folder: str, values: Mapping[str, str], depth: int) -> Item:
        """Return the tree of an entry of `include`."""
        empty = Item({}, entry.place)
        if depth > _DEPTH:
            self.faults.add(entry.place, "This file includes itself.")
            return empty
        is_long = isinstance(entry.data, dict)
        paths = self.read.sequence(entry.get("path") if is_long else entry, "include")
        own_folder = self.read.text(entry.get("project_directory"), "project_directory")
        tree: Item | None = None
        for one in paths:
            path = _join(folder, self.read.text(one, "path"))
            home = _join(folder, own_folder) if own_folder else str(PurePosixPath(path).parent)
            env_files = self.read.sequence(entry.get("env_file"), "env_file")
            names = [_join(folder, self.read.text(env, "env_file")) for env in env_files]
            known: dict[str, str] = {}
            for name in names or [_join(home, ".env")]:
                known |= self._env(name, values)
            data = self._sibling(path, one)
            tree = self._file(path, data, home, {**known, **values}, tree, depth + 1)
        return tree if tree is not None else empty

    def _sibling(self, path: str, item: Item) -> bytes:
        """Return the contents of a file that an item names. Raise FileError with its place."""
        if not self.files.exists(path):
            self.read.fault(item, f"The file {path} does not exist.")
            self.faults.done()
        try:
            return self.files.sibling(path)
        except NetorchError as error:
            problem = error.problems[0]
            self.faults.add(item.place, problem.what, problem.remedy)
            self.faults.done()
            raise

    def _extended(
        self,
        name: str,
        service: Item,
        known: Mapping[str, Item],
        file: str,
        folder: str,
        values: Mapping[str, str],
        seen: tuple[tuple[str, str], ...],
    ) -> Item:
        """Return a service merged over the one that it extends. `known` are those of the file."""
        if not isinstance(service.data, dict) or service.get("extends").data is None:
            return service
        extends = service.get("extends")
        is_long = isinstance(extends.data, dict)
        target = self.read.text(extends.get("service") if is_long else extends, "extends")
        other = self.read.text(extends.get("file"), "file")
        own = service.with_data({k: v for k, v in service.data.items() if k != "extends"})
        if (file, name) in seen or len(seen) > _DEPTH:
            self.faults.add(extends.place, f"The service {name} extends itself.")
            return own
        seen = (*seen, (file, name))
        if other:
            path = _join(folder, other)
            tree = self._interpolated(
                parse(path, self._sibling(path, extends.get("file")), TAGS), values
            )
            known = self.read.mapping(tree.get("services"), "services")
            file, folder = path, str(PurePosixPath(path).parent)
        if target not in known:
            what = f"The service {name} extends {target}, which does not exist in {file}."
            self.faults.add(extends.place, what)
            return own
        base = self._extended(target, clean(known[target]), known, file, folder, values, seen)
        return merge(base, own, ("services", name)) or own

    def _interpolated(
        self, item: Item, values: Mapping[str, str], path: tuple[str, ...] = ()
    ) -> Item:
        """Return an item in which the variables have their values, where networks depend on it."""
        if len(path) == 1 and path[0] not in ("services", "networks", "include", "name"):
            return item
        if len(path) == 3 and path[0] == "services" and path[2] not in NETWORK_KEYS:
            return item
        if isinstance(item.data, dict):
            entries = {
                key: self._interpolated(one, values, (*path, key)) for key, one in item.data.items()
            }
            return Item(entries, item.place, item.tag)
        if isinstance(item.data, list):
            items = [self._interpolated(one, values, (*path, "-")) for one in item.data]
            return Item(items, item.place, item.tag)
        if not isinstance(item.data, str) or "$" not in item.data:
            return item
        unset: list[str] = []
        try:
            text = interpolate(item.data, values, unset.append)
        except VariableError as error:
            remedy = "Set it in the file `.env` beside the compose file."
            self.faults.add(item.place, str(error), remedy if "has no value" in str(error) else "")
            return Item("", item.place, item.tag)
        for name in _USE.findall(item.data):
            if name in self.files.environment and values.get(name) == self.files.environment[name]:
                self.from_shell.setdefault(name, item.place)
        for name in unset:
            self.unset.setdefault(name, item.place)
        return Item(text, item.place, item.tag, tuple(dict.fromkeys(unset)))


def project_name(text: str) -> str:
    """Return a name in the form in which Compose uses it: `My.Shop` becomes `myshop`."""
    return re.sub("[^a-z0-9_-]", "", text.lower()).lstrip("_-") or "imported"


def _join(folder: str, path: str) -> str:
    """Return a path that starts at a folder, without `.` in it."""
    return str(PurePosixPath(folder) / path)
