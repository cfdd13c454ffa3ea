"""Reads labs of Kathara: a folder with a lab.conf and the startup files of the devices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from netorch.errors import FileError, NetorchError, Problem
from netorch.immutable import Value
from netorch.importers.draft import Draft, add_membership
from netorch.importers.names import (
    Names,
    is_interface_name,
    network_names,
    node_names,
    topology_name,
)
from netorch.importers.shell_lines.arguments import NotCarriedError
from netorch.importers.shell_lines.node import Interface, Node
from netorch.importers.shell_lines.programs import NO_PROGRAMS
from netorch.importers.shell_lines.reader import read_lines
from netorch.importers.shell_lines.settings import is_table_file, read_tables, set_sysctl
from netorch.importers.shell_lines.write import write

if TYPE_CHECKING:
    from netorch.kernel.files.source_files import SourceFiles

_LINE = re.compile(
    r"""(?P<device>[A-Za-z0-9_.-]+)\s*\[(?P<key>\w+)\]\s*=\s*
    (?P<value>"[^"]*"|'[^']*'|[^"'\#]*?)\s*(?:\#.*)?""",
    re.VERBOSE,
)
_METADATA = re.compile(r"LAB_([A-Z]+)\s*=\s*[\"']?(.*?)[\"']?\s*")
_TITLES = {"DESCRIPTION": "", "VERSION": "version ", "AUTHOR": "by ", "EMAIL": "", "WEB": ""}
_RUNTIME = frozenset(
    (
        "image",
        "mem",
        "cpus",
        "shell",
        "num_terms",
        "env",
        "ulimit",
        "privileged",
        "entrypoint",
        "args",
        "volume",
        "metadata",
    )
)
"""Keys that choose how a container runs."""
_NO_CONTAINER = "netorch runs no programs"
_BRIDGED = "bridged "
"""The network for the interfaces that Kathara connects to Docker's bridge. A collision domain can
have the name `bridged`, but not with a space.
"""
_FLAGS = {
    **dict.fromkeys(("true", "1", "yes", "y", "on", "t"), True),
    **dict.fromkeys(("false", "0", "no", "n", "off", "f"), False),
}
"""The words for true and false (strtobool of Python, which Kathara uses)."""
_NO_IPV6 = ("net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.default.disable_ipv6")
_DEFAULTS = (
    "containers of Kathara forward packets and do not filter by the reverse path (rp_filter)"
)


class _Entry(Value):
    """A line of lab.conf."""

    key: str
    value: str
    line: int


class _Device:
    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: list[_Entry] = []

    def interfaces(self) -> list[tuple[int, _Entry]]:
        """Return number and entry of the interfaces, the last entry of each number."""
        entries = {int(one.key): one for one in self.entries if one.key.isdecimal()}
        return sorted(entries.items())

    def values(self, key: str) -> list[_Entry]:
        return [one for one in self.entries if one.key == key]

    @property
    def is_bridged(self) -> bool:
        values = self.values("bridged")
        has_ports = bool(self.values("port"))
        return has_ports or (bool(values) and _FLAGS.get(values[-1].value.lower(), False))


def read(files: SourceFiles, name: str | None) -> Draft:
    """Return the topology of a lab. Raise NetorchError if it has no devices."""
    path = files.paths[0]
    in_folder = path not in files.data
    lab = files.sibling("lab.conf") if files.is_folder else files.read(path)
    place = "lab.conf" if in_folder else path
    title, devices, remarks = _parse(lab.decode("utf-8", "replace"))
    if not devices:
        what = f"{path}: lab.conf has no devices."
        raise NetorchError(Problem("bad-import", what, None, "Is this a lab of Kathara?", path))
    folder = PurePath(files.folder).name if in_folder else "lab"
    draft = Draft(topology_name(name or title or folder), path, "Kathara")
    return _Reader(files if in_folder else None, draft, place, remarks).draft_of(devices)


_Remarks = list[tuple[str, int]]
"""Text and line of what lab.conf says besides devices."""


def _parse(text: str) -> tuple[str, dict[str, _Device], _Remarks]:
    """Return the name of the lab, its devices, and what else the file says."""
    devices: dict[str, _Device] = {}
    remarks: _Remarks = []
    title = ""
    for number, line in enumerate(map(str.strip, text.lstrip("\ufeff").splitlines()), 1):
        if match := _LINE.fullmatch(line):
            device = devices.setdefault(match["device"], _Device(match["device"]))
            device.entries.append(_Entry(match["key"], match["value"].strip("\"'"), number))
        elif match := _METADATA.fullmatch(line):
            if match[1] == "NAME":
                title = match[2]
            remarks.append((match[0], 0))
        elif line and not line.startswith("#"):
            remarks.append((line, number))
    return title, devices, remarks


class _Reader:
    def __init__(
        self, files: SourceFiles | None, draft: Draft, place: str, remarks: _Remarks
    ) -> None:
        self.files, self.draft, self.place, self.remarks = files, draft, place, remarks
        self.networks: Names = network_names()
        self.names: Names = node_names()

    def draft_of(self, devices: dict[str, _Device]) -> Draft:
        self._write_remarks()
        self.draft.note((), NO_PROGRAMS)
        defaults = {
            "forwarding": True,
            "sysctls": {"net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.default.rp_filter": 0},
        }
        tree = self.draft.tree
        self.draft.tree = {"name": tree["name"], "defaults": {"node": defaults}} | tree
        self.draft.note(("defaults", "node"), _DEFAULTS)
        nodes = {device.name: self._node(device) for device in devices.values()}
        for device in devices.values():
            self._read_files(device, nodes[device.name])
        for node in nodes.values():
            write(node, self.draft, forwards=True)
        self._connect_outside()
        self._lose_rest(devices)
        return self.draft

    def _write_remarks(self) -> None:
        for text, line in self.remarks:
            match = _METADATA.fullmatch(text)
            if match is None:
                why = "it is not a line of lab.conf, as Kathara reads it"
                self.draft.lose((), text, why, f"{self.place}:{line}")
            elif match[1] != "NAME" and match[2]:
                self.draft.note((), f"{_TITLES.get(match[1], f'LAB_{match[1]}: ')}{match[2]}")

    def _node(self, device: _Device) -> Node:
        """Return a device with its interfaces, without what its files say."""
        node = Node(self.names(device.name), forwards=True)
        entry: dict[str, Any] = {"networks": {}}
        self.draft.nodes[node.name] = entry
        if node.name != device.name:
            self.draft.note(("nodes", node.name), f"{device.name} in lab.conf")
        interfaces = device.interfaces()
        self.draft.set_place(("nodes", node.name), f"{self.place}:{device.entries[0].line}")
        for number, one in interfaces:
            self._join(node, entry["networks"], number, one)
        self._lose_repeated(device, node)
        if device.is_bridged:
            number = max((number for number, _ in interfaces), default=-1) + 1
            network = self.networks(_BRIDGED)
            self.draft.networks.setdefault(network, {"mode": "nat"})
            self._add(node, entry["networks"], network, f"eth{number}")
        for one in device.entries:
            self._read_key(node, entry, one)
        return node

    def _lose_repeated(self, device: _Device, node: Node) -> None:
        """Record lines for an interface that a later line gives again."""
        last = {number: one.line for number, one in device.interfaces()}
        for one in device.entries:
            if one.key.isdecimal() and (line := last[int(one.key)]) != one.line:
                text = f"{device.name}[{one.key}]={one.value}"
                why = f"line {line} says it again, so Kathara refuses the lab"
                where = f"{self.place}:{one.line}"
                self.draft.lose(("nodes", node.name), text, why, where, matters=True)

    def _join(self, node: Node, networks: dict[str, Any], number: int, one: _Entry) -> None:
        domain, _, mac = one.value.partition("/")
        network = self.networks(domain)
        if network not in self.draft.networks:
            self.draft.networks[network] = {}
            if network != domain:
                self.draft.note(("networks", network), f"{domain} in lab.conf")
        entry = self._add(node, networks, network, f"eth{number}")
        path = ("nodes", node.name, "networks", network)
        self.draft.set_place(path, f"{self.place}:{one.line}")
        if mac:
            entry["mac"] = mac.lower()

    def _add(self, node: Node, networks: dict[str, Any], network: str, name: str) -> dict[str, Any]:
        """Add a membership, and return its entry."""
        entry = add_membership(networks, network, name)
        node.interfaces[name] = Interface(name, entry=entry)
        return entry

    def _read_key(self, node: Node, entry: dict[str, Any], one: _Entry) -> None:
        where = f"{self.place}:{one.line}"
        text = f"{one.key}: {one.value}"
        if one.key.isdecimal():
            return
        if one.key in ("bridged", "ipv6"):
            flag = _FLAGS.get(one.value.lower())
            if flag is None:
                why = "it is neither true nor false"
                self.draft.lose(("nodes", node.name), text, why, where, matters=True)
            elif one.key == "ipv6" and not flag:
                node.sysctls.update(dict.fromkeys(_NO_IPV6, "1"))
            return
        if one.key == "sysctl":
            path, sign, value = one.value.partition("=")
            try:
                if not sign:
                    raise NotCarriedError("it has no value")
                set_sysctl(node, path, value)
            except NotCarriedError as error:
                self.draft.lose(("nodes", node.name), text, str(error), where)
        elif one.key == "port":
            ports = entry.setdefault("publish", [])
            self.draft.set_place(("nodes", node.name, "publish", len(ports)), where)
            ports.append(_published(one.value))
        elif one.key == "exec":
            read_lines(node, one.value, lambda line: where)
        elif one.key in _RUNTIME:
            self.draft.lose(("nodes", node.name), one.key, _NO_CONTAINER, where)
        else:
            self.draft.lose(("nodes", node.name), text, "netorch does not know this key", where)

    def _read_files(self, device: _Device, node: Node) -> None:
        for folder in ("shared", device.name):
            for path in self._table_files(folder):
                read_tables(node, self._text(path) or "")
        for name in ("shared.startup", f"{device.name}.startup"):
            text = self._text(name)
            if text is not None:
                read_lines(node, text, _place(name), script=self._script(device))

    def _table_files(self, folder: str) -> Iterator[str]:
        """Yield the files of a folder that have names of routing tables."""
        for place in ("etc/iproute2", "etc/iproute2/rt_tables.d"):
            names = self.files.names(f"{folder}/{place}") if self.files is not None else ()
            for name in names:
                if is_table_file(f"/{place}/{name}"):
                    yield f"{folder}/{place}/{name}"

    def _script(self, device: _Device) -> Callable[[str], tuple[str, str] | None]:
        """Return a function that returns the name and the text of a file of a device."""

        def script(path: str) -> tuple[str, str] | None:
            relative = path.lstrip("/")
            for name in (f"{device.name}/{relative}", relative):
                if name.startswith(("shared/", f"{device.name}/")):
                    text = self._text(name)
                    if text is not None:
                        return name, text
            return None

        return script

    def _text(self, path: str) -> str | None:
        """Return the text of a file of the lab, None if it does not exist or cannot be read."""
        if self.files is None or not self.files.exists(path):
            return None
        try:
            return self.files.sibling(path).decode("utf-8", "replace")
        except FileError:
            return None

    def _connect_outside(self) -> None:
        """Connect the collision domains of lab.ext to the interfaces of the machine."""
        text = self._text("lab.ext") or ""
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            network = self.draft.networks.get(self.networks(words[0]))
            if len(words) != 2 or network is None:
                why = "lab.conf has no such collision domain"
                self.draft.lose(("networks",), line.strip(), why, f"lab.ext:{number}")
            elif not is_interface_name(words[1]):
                why = f"{words[1]} cannot be the name of an interface"
                path = ("networks", self.networks(words[0]))
                self.draft.lose(path, line.strip(), why, f"lab.ext:{number}", matters=True)
            else:
                network |= {"mode": "bridged", "uplink": words[1]}

    def _lose_rest(self, devices: dict[str, _Device]) -> None:
        """Record the files of the lab that are not read."""
        if self.files is None:
            return
        for name in self.files.names():
            stem, _, suffix = name.rpartition(".")
            place = ("nodes", self.names(stem)) if stem in devices else ()
            if suffix == "shutdown" and self._text(name):
                why = "`netorch destroy` removes what `netorch apply` has made, and runs nothing"
                self.draft.lose(place, name, why)
            elif suffix == "startup" and stem not in devices and stem != "shared":
                self.draft.lose((), name, "lab.conf has no such device")
            elif name == "lab.dep":
                self.draft.lose((), name, "nodes need no order, because they run no programs")
            elif name in devices and (folders := list(self._folders(name))):
                why = "nodes have no files of their own"
                self.draft.lose(("nodes", self.names(name)), ", ".join(folders), why)

    def _folders(self, device: str) -> Iterator[str]:
        """Yield the files and folders of a device, two levels deep."""
        assert self.files is not None
        for name in self.files.names(device):
            inner = self.files.names(f"{device}/{name}")
            yield from (
                f"{device}/{name}/{one}"
                for one in inner
                if (name, one) != ("etc", "iproute2") or not [*self._table_files(device)]
            )
            if not inner:
                yield f"{device}/{name}"


def _place(name: str) -> Callable[[int], str]:
    return lambda line: f"{name}:{line}"


def _published(value: str) -> str:
    ports, _, protocol = value.partition("/")
    if ":" not in ports:
        ports = f"3000:{ports}"
    return f"{ports}/{protocol}" if protocol and protocol.lower() != "tcp" else ports
