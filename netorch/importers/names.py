"""Names of a source as names that a topology file can have."""

from __future__ import annotations

import re

_TOPOLOGY = 32
_NODE = 63
_INTERFACE = 15
_RESERVED_NODES = frozenset(("host",))
_RESERVED_INTERFACES = frozenset(("all", "default", "lo"))
_RESERVED_NETWORKS = _RESERVED_NODES | _RESERVED_INTERFACES


def topology_name(text: str) -> str:
    """Return the name of a topology, made of `text`: `My Lab.yaml` becomes `my-lab-yaml`."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_TOPOLOGY].strip("-")
    return name or "imported"


class Names:
    """Gives each name of a source a name of its own that the file can have, always the same one."""

    def __init__(self, limit: int, reserved: frozenset[str]) -> None:
        self._limit, self._reserved = limit, reserved
        self._names: dict[str, str] = {}
        self._used: set[str] = set(reserved)

    def __call__(self, text: str) -> str:
        """Return the name for `text`. It is `text` itself if the file can have that name."""
        if text not in self._names:
            name = self._free(re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip(".-") or "x")
            self._names[text] = name
            self._used.add(name)
        return self._names[text]

    def changed(self) -> dict[str, str]:
        """Return name of the source → name in the file, for those that differ."""
        return {text: name for text, name in self._names.items() if text != name}

    def _free(self, name: str) -> str:
        candidate, number = name[: self._limit], 2
        while candidate in self._used:
            suffix = f"-{number}"
            candidate, number = name[: self._limit - len(suffix)] + suffix, number + 1
        return candidate


def is_interface_name(text: str) -> bool:
    """Return whether an interface of the host can have a name."""
    return re.fullmatch(r"[A-Za-z0-9_.:-]{1,15}", text) is not None


def node_names() -> Names:
    """Return the names of nodes. No name is `host`, which is this machine."""
    return Names(_NODE, _RESERVED_NODES)


def network_names(*reserved: str) -> Names:
    """Return the names of networks, which are those of their bridges too."""
    return Names(_NODE, _RESERVED_NETWORKS | {*reserved})


def interface_names() -> Names:
    """Return the names of the interfaces of one node."""
    return Names(_INTERFACE, _RESERVED_INTERFACES)
