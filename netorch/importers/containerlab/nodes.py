"""Nodes of a lab."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from netorch.errors import FileError
from netorch.importers.containerlab.lab import HOST, Lab
from netorch.importers.containerlab.settings import Setting, settings_of
from netorch.importers.names import interface_names, is_interface_name
from netorch.importers.shell_lines.arguments import NotCarriedError
from netorch.importers.shell_lines.node import Node
from netorch.importers.shell_lines.reader import Script, read_lines
from netorch.importers.shell_lines.settings import set_sysctl
from netorch.language.yaml_tree import Map

if TYPE_CHECKING:
    from netorch.kernel.files.source_files import SourceFiles

_BRIDGES = frozenset(("bridge", "ovs-bridge"))
_LINUX = frozenset(("linux", "ext-container", HOST))
_ROUTER = re.compile(
    r"frr|bird|quagga|gobgp|exabgp|openbgpd|holo|vyos|crpd|rare|freertr|zebra|bgpd|ospf", re.I
)
"""The names of images and files of routing daemons."""
_SILENT = frozenset(
    ("kind", "group", "exec", "network-mode", "ports", "sysctls", "dns", "aliases", "stages")
)
"""Keys that are read, or that only group nodes."""
_MANAGEMENT = frozenset(("mgmt-ipv4", "mgmt-ipv6", "mgmt_ipv4", "mgmt_ipv6"))
_NO_PROGRAMS = "netorch runs no programs"
_NO_FILES = "nodes have no files of their own"
_NO_DAEMON = "netorch runs no routing daemons, so the routes that they learn are missing"
_NO_SOFTWARE = "a node has no routing software of its own: this one has its wires only"
_OWN_BRIDGE = "netorch makes a Linux bridge of its own"
_EXISTING = "as for containerlab, the bridge has to exist; without `existing`, netorch makes it"


def add_nodes(lab: Lab) -> None:
    """Add the nodes to the draft, and the bridges as networks."""
    nodes = lab.topology.get("nodes")
    if not isinstance(nodes, Map):
        return
    entries = {name: settings_of(lab.topology, name) for name in nodes}
    # after the others, because containerlab does not care about their order
    sharing = {name: other for name in nodes if (other := _target(entries, name))}
    for name in sorted(nodes, key=sharing.__contains__):
        settings = entries[name]
        kind = str(settings["kind"].value) if "kind" in settings else "linux"
        line = nodes.where[name].line
        mode = str(settings["network-mode"].value) if "network-mode" in settings else ""
        if kind in _BRIDGES:
            _add_bridge(lab, name, kind, line)
        elif HOST in (kind, mode):
            lab.hosts.add(name)
            _lose_host(lab, settings)
        elif kind == "k8s-kind":
            why = "netorch makes no clusters: import what connects to its nodes, which it attaches"
            lab.lose(("nodes",), f"{name}: kind: {kind}", why, line, matters=True)
        elif (target := lab.nodes.get(sharing.get(name, ""))) is not None:
            _add_sharing_node(lab, name, target, settings)
        else:
            _add_node(lab, name, kind, settings)
    if sharing:
        order = {lab.names(name): place for place, name in enumerate(nodes)}
        done = sorted(lab.draft.nodes.items(), key=lambda one: order.get(one[0], -1))
        lab.draft.tree["nodes"] = dict(done)


def _target(entries: dict[str, dict[str, Setting]], name: str) -> str:
    """Return the node of the lab whose namespace a node has, "" if that is its own."""
    seen = [name]
    while "network-mode" in (settings := entries.get(seen[-1], {})):
        how, _, other = str(settings["network-mode"].value).partition(":")
        if how != "container" or other in seen or other not in entries:
            break
        seen.append(other)
    return seen[-1] if seen[1:] else ""


def _add_sharing_node(lab: Lab, name: str, target: Node, settings: dict[str, Setting]) -> None:
    node = Node(lab.names(name))
    lab.settings[name], lab.sharing[name] = settings, target
    entry: dict[str, Any] = {"attach": f"node:{target.name}"}
    if "aliases" in settings:
        entry["aliases"] = [str(one) for one in settings["aliases"].value]
    lab.draft.nodes[node.name] = entry
    if node.name != name:
        lab.draft.note(("nodes", node.name), f"{name} in containerlab")
    for key, setting in settings.items():
        if key in ("sysctls", "dns"):
            why = f"it shares the namespace of {target.name}: write it there"
            lab.lose(("nodes", node.name), key, why, setting.line, matters=True)
        elif key not in _SILENT and key not in _MANAGEMENT:
            _lose_key(lab, node, key, setting, is_linux=True)


def _add_bridge(lab: Lab, name: str, kind: str, line: int) -> None:
    network = lab.networks(name)
    lab.bridges[name] = network
    if network != name:
        lab.draft.note(("networks", network), f"{name} in containerlab")
    lab.set_place(("networks", network), line)
    if kind == "ovs-bridge" or not is_interface_name(name):
        lab.draft.networks[network] = {}
        lab.lose(("networks", network), f"kind: {kind}", _OWN_BRIDGE, line, matters=True)
        return
    lab.draft.networks[network] = {"bridge": name, "existing": True}
    lab.draft.note(("networks", network), _EXISTING)


def _lose_host(lab: Lab, settings: dict[str, Setting]) -> None:
    lines = settings.get("exec")
    for text, line in zip(lines.value if lines else (), lines.lines if lines else (), strict=False):
        why = "netorch does not read commands that run on this machine"
        lab.lose(("nodes",), str(text), why, line, matters=True)


def _add_node(lab: Lab, name: str, kind: str, settings: dict[str, Setting]) -> None:
    node = Node(lab.names(name), forwards=True)
    lab.settings[name] = settings
    mode = str(settings["network-mode"].value) if "network-mode" in settings else ""
    lab.nodes[name] = node
    lab.set_place(("nodes", node.name), lab.topology["nodes"].where[name].line)
    lab.interfaces[node.name] = interface_names()
    entry: dict[str, Any] = {}
    lab.draft.nodes[node.name] = entry
    if node.name != name:
        lab.draft.note(("nodes", node.name), f"{name} in containerlab")
    if kind == "ext-container":
        entry["attach"] = f"docker:{name}"
    elif kind not in _LINUX:
        lab.lose(
            ("nodes", node.name), f"kind: {kind}", _NO_SOFTWARE, settings["kind"].line, matters=True
        )
    if mode.startswith("container:"):
        entry["attach"] = f"docker:{mode.partition(':')[2]}"
    _read_keys(lab, node, entry, settings, is_linux=kind in _LINUX)


def _read_keys(
    lab: Lab, node: Node, entry: dict[str, Any], settings: dict[str, Setting], *, is_linux: bool
) -> None:
    for path, value in _mapping(settings, "sysctls").items():
        try:
            set_sysctl(node, str(path), str(value))
        except NotCarriedError as error:
            text, line = f"sysctl {path}: {value}", settings["sysctls"].line
            lab.lose(("nodes", node.name), text, error.why, line)
    dns = _mapping(settings, "dns")
    for key, value in dns.items():
        values = value if isinstance(value, list) else [value]
        if key in ("servers", "search", "options"):
            node.name_servers[key] = [str(one) for one in values if one is not None]
        else:
            text, why = f"dns {key}: {value}", "netorch has no word for it"
            lab.lose(("nodes", node.name), text, why, settings["dns"].line)
    if "aliases" in settings:
        entry["aliases"] = [str(one) for one in settings["aliases"].value]
    for key, setting in settings.items():
        if key in ("sysctls", "dns", "stages") and not isinstance(setting.value, dict):
            text = f"{key}: {setting.value}"
            lab.lose(
                ("nodes", node.name), text, "this is not a mapping", setting.line, matters=True
            )
        elif key == "network-mode" and not _is_known_mode(str(setting.value)):
            text, why = f"network-mode: {setting.value}", "netorch does not know this mode"
            lab.lose(("nodes", node.name), text, why, setting.line, matters=True)
        elif key not in _SILENT and key not in _MANAGEMENT:
            _lose_key(lab, node, key, setting, is_linux=is_linux)


def _is_known_mode(mode: str) -> bool:
    return mode in ("", "None", "bridge", "none", HOST) or mode.startswith("container:")


def _mapping(settings: dict[str, Setting], key: str) -> dict[str, Any]:
    value = settings[key].value if key in settings else None
    return value if isinstance(value, dict) else {}


def _lose_key(lab: Lab, node: Node, key: str, setting: Setting, *, is_linux: bool) -> None:
    values = setting.value if isinstance(setting.value, list) else [setting.value]
    text = ", ".join(
        "{…}" if isinstance(one, dict) else str(one) for one in values if one is not None
    )
    path = ("nodes", node.name)
    is_router = key in ("image", "binds", "cmd", "entrypoint") and _ROUTER.search(text)
    if is_router and is_linux:
        lab.lose(path, f"{key}: {text}", _NO_DAEMON, setting.line, matters=True)
    elif key in ("binds", "startup-config", "license", "env-files"):
        lab.lose(path, f"{key}: {text}", _NO_FILES, setting.line)
    else:
        lab.lose(path, key, _NO_PROGRAMS, setting.line)


def read_exec(lab: Lab, files: SourceFiles) -> None:
    """Read the commands that containerlab runs in the nodes."""
    for name, settings in lab.settings.items():
        node = lab.node(name)
        if node is None:
            continue
        script = _script(files, settings)
        lines = settings.get("exec")
        if lines is not None and isinstance(lines.value, list):
            for text, line in zip(lines.value, lines.lines, strict=False):
                _read_line(lab, node, name, str(text), line, script)
        for stage in _mapping(settings, "stages").values():
            commands = stage.get("exec") if isinstance(stage, dict) else None
            for command in commands or ():
                if isinstance(command, dict) and command.get("target") == HOST:
                    why = "netorch does not read commands that run on this machine"
                    words = str(command.get("command", ""))
                    line = settings["stages"].line
                    lab.lose(("nodes", node.name), words, why, line, matters=True)
                elif isinstance(command, dict):
                    line = settings["stages"].line
                    text = str(command.get("command", ""))
                    _read_line(lab, node, name, text, line, script)


def _script(files: SourceFiles, settings: dict[str, Setting]) -> Script:
    """Return a function that reads the files that `binds` puts into a container."""
    binds = settings["binds"].value if "binds" in settings else []

    def script(path: str) -> tuple[str, str] | None:
        for bind in binds if isinstance(binds, list) else ():
            source, _, rest = str(bind).partition(":")
            target = rest.partition(":")[0]
            if path == target or path.startswith(target.rstrip("/") + "/"):
                name = source + path[len(target.rstrip("/")) :]
                try:
                    return name, files.sibling(name).decode("utf-8", "replace")
                except FileError:
                    return None
        return None

    return script


def _read_line(lab: Lab, node: Node, name: str, text: str, line: int, script: Script) -> None:
    text = text.replace("__clabNodeName__", name)
    text = text.replace("__clabLabName__", str(lab.source.tree.get("name", "")))
    read_lines(node, text.replace("$$", "$"), lambda _: lab.place(line), script=script)
