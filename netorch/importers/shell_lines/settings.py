"""Kernel settings and files: sysctl(8), and `echo` into a file."""

from __future__ import annotations

import re

from netorch.importers.shell_lines.arguments import Arguments, NotCarriedError
from netorch.importers.shell_lines.node import Node

_PROC = "/proc/sys/"
_FORWARDING = {
    "net.ipv4.ip_forward": 4,
    "net.ipv4.conf.all.forwarding": 4,
    "net.ipv6.conf.all.forwarding": 6,
}
_CONF_PARTS = 5
"""The number of parts of `net.ipv4.conf.eth0.rp_filter`."""
_ON_A_FILE = "a topology makes no files"


def sysctl(node: Node, words: Arguments) -> None:
    for word in words.rest():
        if word.startswith("-"):
            if word in ("-p", "--system", "--load") or word.startswith("--load="):
                raise NotCarriedError("netorch does not read the files of sysctl")
            continue
        path, sign, value = word.partition("=")
        if sign:
            set_sysctl(node, path.strip(), value.strip())


def set_sysctl(node: Node, path: str, value: str) -> None:
    """Set a setting, whose path has dots or slashes as in sysctl(8)."""
    slash, dot = path.find("/"), path.find(".")
    if slash >= 0 and (dot < 0 or slash < dot):
        parts = path.strip("/").split("/")
    else:
        parts = [part.replace("/", ".") for part in path.split(".")]
    key = ".".join(part.replace(".", "/") for part in parts)
    if parts[0] != "net":
        raise NotCarriedError("a topology has settings below `net.` only", matters=False)
    if key in _FORWARDING:
        node.forwards[_FORWARDING[key]] = value not in ("0", "")
        return
    of_interface = len(parts) == _CONF_PARTS and parts[2] in ("conf", "neigh")
    if of_interface and parts[3] not in ("all", "default"):
        node.interface(parts[3])  # because Linux refuses it without the interface
    node.sysctls.pop(key, None)
    node.sysctls[key] = value


def write_file(node: Node, text: str, file: str, *, appends: bool) -> None:
    """Take a text that a command writes into a file."""
    if file.startswith(_PROC):
        set_sysctl(node, file.removeprefix(_PROC), text.strip())
    elif file == "/etc/resolv.conf":
        if not appends:
            node.name_servers.clear()
        for line in text.splitlines():
            _name_server(node, line.split("#")[0].split())
    elif is_table_file(file):
        read_tables(node, text)
    elif file == "/etc/hosts":
        raise NotCarriedError("netorch writes the names of all nodes to /etc/hosts", matters=False)
    elif file != "/dev/null":
        raise NotCarriedError(_ON_A_FILE, matters=False)


def is_table_file(path: str) -> bool:
    """Return whether iproute2 reads names of routing tables from a file."""
    return path == "/etc/iproute2/rt_tables" or bool(
        re.fullmatch(r"/etc/iproute2/rt_tables\.d/[^/]+\.conf", path)
    )


def read_tables(node: Node, text: str) -> None:
    """Take the names of routing tables from the text of such a file."""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) > 1 and re.fullmatch(r"[0-9]+|0x[0-9a-fA-F]+", words[0]):
            node.tables[words[1]] = int(words[0], 0 if words[0].startswith("0x") else 10)


def _name_server(node: Node, words: list[str]) -> None:
    keys = {"nameserver": "servers", "search": "search", "domain": "search", "options": "options"}
    if words and words[0] in keys:
        values = node.name_servers.setdefault(keys[words[0]], [])
        values.extend(word for word in words[1:] if word not in values)
