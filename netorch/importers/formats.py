"""The formats that `netorch import` reads, and how to recognise them."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING

from netorch.errors import NetorchError, Problem
from netorch.immutable import Value

if TYPE_CHECKING:
    from netorch.importers.draft import Draft
    from netorch.kernel.files.source_files import SourceFiles


class Format(Value):
    """A format of files."""

    name: str
    """The word after `--from`."""
    title: str
    """The name for users."""
    module: str
    """The module of `netorch.importers` with the function `read(files, name)`."""


FORMATS = {
    one.name: one
    for one in (
        Format("compose", "Docker Compose", "compose"),
        Format("docker", "`docker network inspect`", "engines.docker"),
        Format("podman", "`podman network inspect`", "engines.podman"),
        Format("cni", "a network of CNI", "engines.cni"),
        Format("containerlab", "containerlab", "containerlab"),
        Format("kathara", "Kathara", "kathara"),
        Format("graph", "GraphML or GML", "graph_file"),
    )
}
"""All formats, by their names."""


def read(files: SourceFiles, name: str | None, form: str | None = None) -> Draft:
    """Read a source. `name` is the name of the topology, None to derive it from the source.

    `form` is a key of `FORMATS`, None to recognise it. Raises NetorchError if the source cannot be
    read at all.
    """
    chosen = FORMATS[form or recognise(files)]
    module = import_module(f"netorch.importers.{chosen.module}")
    draft: Draft = module.read(files, name)
    return draft


def recognise(files: SourceFiles) -> str:
    """Return the name of the format of the first source. Raise NetorchError if it is unknown."""
    path = files.paths[0]
    if files.is_folder:
        form = _of_folder(files.names())
    else:
        form = _of_text(PurePath(path).name, files.read(path).decode("utf-8", "replace"))
    if form in FORMATS:
        return form
    if form:
        raise NetorchError(_refusal(path, form))
    what = f"{path}: netorch does not recognise the format."
    remedy = f"Name it with --from: {', '.join(FORMATS)}."
    raise NetorchError(Problem("unknown-format", what, None, remedy, path))


_REFUSALS = {
    "gns3": (
        "is a project of GNS3, whose nodes are virtual machines.",
        "netorch gives a virtual machine a tap: docs/howto/virtual-machines.md.",
    ),
    "netplan": (
        "is a file of netplan, which sets up the NICs of one machine.",
        "Let netplan keep them. A topology has networks of its own beside them, and `netorch "
        "import --live host` writes what the machine has now.",
    ),
    "compose1": (
        "is a compose file of version 1, with its services at the top, which `docker compose` does "
        "not read either.",
        "Put the services under `services:`.",
    ),
    "netorch": (
        "is a topology of netorch already.",
        "Make it with `netorch apply {path}`.",
    ),
    "shell": (
        "is a shell script, and netorch reads what a script made rather than the script.",
        "Run it in a private host: `netorch import --run {path}`.",
    ),
}
"""What `recognise` knows but does not read → what it is, and the remedy."""


def _refusal(path: str, form: str) -> Problem:
    what, remedy = _REFUSALS[form]
    return Problem("unknown-format", f"{path} {what}", None, remedy.format(path=path), path)


def _of_folder(names: list[str]) -> str:
    if "lab.conf" in names or any(name.endswith(".startup") for name in names):
        return "kathara"
    return "compose" if any(name in _COMPOSE_FILES for name in names) else ""


_COMPOSE_FILES = frozenset(
    ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
)
_KATHARA = re.compile(r"^[A-Za-z][\w-]*\[(?:\d+|\w+)\]\s*=", re.MULTILINE)
_GML = re.compile(r"(?s)[^{]*\bgraph\s*\[")
_COMPOSE_KEYS = frozenset(("version", "name", "networks", "volumes", "include"))
_SCRIPT = re.compile(
    r"\A#!.*\b(?:ba|da|z|k)?sh\b|^\s*(?:sudo\s+)?(?:ip|brctl|ifconfig)\s+\S", re.MULTILINE
)
_SERVICE = re.compile(r"^[\w.-]+:\s*\n(?:\s*#.*\n)*\s+(?:image|build)\s*:", re.MULTILINE)
"""A service at the top of a compose file."""
_TOP_KEY = re.compile(r"^([A-Za-z_-]+)\s*:", re.MULTILINE)


def _of_text(name: str, text: str) -> str:
    suffix = PurePath(name).suffix.lower()
    head = text.lstrip("\ufeff \t\r\n")[:4000]
    if suffix in (".graphml", ".gml") or "<graphml" in head or _GML.match(head):
        return "graph"
    if name == "lab.conf" or _KATHARA.search(head):
        return "kathara"
    if ".clab." in name:
        return "containerlab"
    if head[:1] in "[{":
        return _of_json(text)
    keys = set(_TOP_KEY.findall(text))
    if "services" in keys or (keys and keys <= _COMPOSE_KEYS):
        return "compose"
    if "topology" in keys:
        return "" if "project_id" in keys else "containerlab"
    if keys == {"network"}:
        return "netplan"
    if keys & {"nodes", "links"}:
        return "netorch"
    if "compose" in name and _SERVICE.search(text):
        return "compose1"
    return "shell" if suffix == ".sh" or _SCRIPT.search(text) else ""


def _of_json(text: str) -> str:
    import json

    try:
        value = json.loads(text)
    except ValueError:
        return ""
    if isinstance(value, dict):
        if "plugins" in value or ("cniVersion" in value and "type" in value):
            return "cni"
        if "project_id" in value:
            return "gns3"
        for key, form in (("services", "compose"), ("topology", "containerlab")):
            if key in value:
                return form
        value = [value]
    first = value[0] if value else None
    if isinstance(first, dict):
        if "IPAM" in first:
            return "docker"
        if "network_interface" in first or "subnets" in first:
            return "podman"
        if "cniVersion" in first or "plugins" in first:
            return "cni"
    return ""
