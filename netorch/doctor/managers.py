"""Checks of network managers, which may configure interfaces that netorch makes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from configparser import ConfigParser, Error
from fnmatch import fnmatchcase

from netorch.doctor.findings import Finding, Level, Situation

NETWORK_MANAGER = (
    "/etc/NetworkManager/NetworkManager.conf",
    "/usr/lib/NetworkManager/conf.d/*.conf",
    "/run/NetworkManager/conf.d/*.conf",
    "/etc/NetworkManager/conf.d/*.conf",
)
NETWORKD = (
    "/usr/lib/systemd/network/*.network",
    "/run/systemd/network/*.network",
    "/etc/systemd/network/*.network",
)
"""The files of systemd-networkd, as patterns in rising order of precedence. Of files with the same
name, the last one counts.
"""

STATE = {
    "NetworkManager": "/run/NetworkManager/devices",
    "systemd-networkd": "/run/systemd/netif/links",
}
"""Folders that exist while the managers run, used if other users' processes are hidden."""

_HOST_KINDS = {"veth": "ether", "bridge": "bridge"}
"""Kinds of interfaces that netorch makes on the host → their `Type=` in systemd-networkd."""

_UNMANAGED = re.compile(r"^\s*unmanaged-devices\s*\+?=(.*)$", re.MULTILINE)


def running(situation: Situation, name: str) -> bool:
    machine = situation.machine
    return name in machine.programs or (machine.hidden and STATE[name] in machine.folders)


def network_manager(situation: Situation) -> Iterator[Finding]:
    if not running(situation, "NetworkManager"):
        return
    texts = [text for path, text in situation.machine.files.items() if "/NetworkManager/" in path]
    settings = ";".join(match[1] for text in texts for match in _UNMANAGED.finditer(text))
    words = {word.strip() for word in re.split(r"[;,]", settings)}
    missing = [
        kind
        for kind in _HOST_KINDS
        if not words & {f"type:{kind}", f"driver:{kind}", "*", "interface-name:*"}
    ]
    if missing:
        what = (
            "NetworkManager is running, and may configure interfaces that netorch makes on the host"
        )
        devices = ";".join(f"driver:{kind}" for kind in _HOST_KINDS)
        path = "/etc/NetworkManager/conf.d/90-netorch.conf"
        command = (
            f"printf '[keyfile]\\nunmanaged-devices+={devices}\\n' > {path} && nmcli general reload"
        )
        yield Finding(Level.WARNING, "network-manager", what, command, object="NetworkManager")


def networkd(situation: Situation) -> Iterator[Finding]:
    if not running(situation, "systemd-networkd"):
        return
    files = {
        path.rpartition("/")[2]: (path, text)
        for path, text in situation.machine.files.items()
        if path.endswith(".network")
    }
    matches = {kind: path for kind in _HOST_KINDS if (path := _matching_file(kind, files))}
    if matches:
        paths = ", ".join(dict.fromkeys(matches.values()))
        what = (
            f"systemd-networkd is running, and {paths} matches every "
            f"{' and every '.join(matches)}, netorch's too"
        )
        # not Kind=, because systemd before 251 does not know that key and would match everything
        text = f"[Match]\\nDriver={' '.join(_HOST_KINDS)}\\n[Link]\\nUnmanaged=yes\\n"
        command = f"printf '{text}' > /etc/systemd/network/05-netorch.network && networkctl reload"
        yield Finding(Level.WARNING, "network-manager", what, command, object="systemd-networkd")


def _matching_file(kind: str, files: Mapping[str, tuple[str, str]]) -> str:
    """Return the path of the first file that matches every interface of the kind.

    Return "" if no file does, or if the file sets `Unmanaged=yes`.
    """
    for name in sorted(files):
        path, text = files[name]
        parser = ConfigParser(
            strict=False, interpolation=None, allow_no_value=True, delimiters=("=",)
        )
        try:
            parser.read_string(text)
        except Error:
            continue
        match = {
            key.lower(): value or ""
            for key, value in (parser["Match"].items() if parser.has_section("Match") else ())
        }
        if match and all(_fits(key, value, kind) for key, value in match.items()):
            unmanaged = parser.get("Link", "Unmanaged", fallback="no") or "no"
            return "" if unmanaged.lower() in ("yes", "true", "1", "on") else path
    return ""


def _fits(key: str, value: str, kind: str) -> bool:
    """Whether every interface of the kind meets a condition, whatever its name."""
    patterns = value.split()
    match key:
        case "name" | "originalname":
            return "*" in patterns
        case "type":
            return any(fnmatchcase(_HOST_KINDS[kind], pattern) for pattern in patterns)
        case "kind" | "driver":
            return any(fnmatchcase(kind, pattern) for pattern in patterns)
    return False
