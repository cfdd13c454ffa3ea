"""Checks of network managers, which take interfaces that they find for theirs. Pure."""

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
"""Of two files of one name the later counts."""

STATE = {
    "NetworkManager": "/run/NetworkManager/devices",
    "systemd-networkd": "/run/systemd/netif/links",
}
"""What they leave in /run while they run, for where other users' processes cannot be seen."""

_OURS = {"veth": "ether", "bridge": "bridge"}
"""Kinds that netorch puts on the host, and what networkd calls their type."""

_UNMANAGED = re.compile(r"^\s*unmanaged-devices\s*\+?=(.*)$", re.MULTILINE)


def running(situation: Situation, name: str) -> bool:
    machine = situation.machine
    return name in machine.programs or (machine.hidden and STATE[name] in machine.folders)


def network_manager(situation: Situation) -> Iterator[Finding]:
    if not running(situation, "NetworkManager"):
        return
    texts = [text for path, text in situation.machine.files.items() if "/NetworkManager/" in path]
    said = ";".join(found[1] for text in texts for found in _UNMANAGED.finditer(text))
    words = {word.strip() for word in re.split(r"[;,]", said)}
    missing = [
        kind
        for kind in _OURS
        if not words & {f"type:{kind}", f"driver:{kind}", "*", "interface-name:*"}
    ]
    if missing:
        what = "NetworkManager is running, and may take interfaces that netorch puts on the host for its own"
        devices = ";".join(f"driver:{kind}" for kind in _OURS)
        path = "/etc/NetworkManager/conf.d/90-netorch.conf"
        command = (
            f"printf '[keyfile]\\nunmanaged-devices+={devices}\\n' > {path} && nmcli general reload"
        )
        yield Finding(Level.WARNING, "network-manager", what, command, object="NetworkManager")


def networkd(situation: Situation) -> Iterator[Finding]:
    if not running(situation, "systemd-networkd"):
        return
    found = {
        path.rpartition("/")[2]: (path, text)
        for path, text in situation.machine.files.items()
        if path.endswith(".network")
    }
    grabbed = {kind: path for kind in _OURS if (path := _taken_by(kind, found))}
    if grabbed:
        paths = ", ".join(dict.fromkeys(grabbed.values()))
        what = f"systemd-networkd is running, and {paths} matches every {' and every '.join(grabbed)}: it takes netorch's for its own"
        # Kind= would be the word, but a systemd before 251 does not know it, and would match everything
        text = f"[Match]\\nDriver={' '.join(_OURS)}\\n[Link]\\nUnmanaged=yes\\n"
        command = f"printf '{text}' > /etc/systemd/network/05-netorch.network && networkctl reload"
        yield Finding(Level.WARNING, "network-manager", what, command, object="systemd-networkd")


def _taken_by(kind: str, files: Mapping[str, tuple[str, str]]) -> str:
    """The first file that matches any interface of the kind; "" if that leaves it alone, or none does."""
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
    """Whether a condition is met by any interface of the kind, whatever its name."""
    patterns = value.split()
    match key:
        case "name" | "originalname":
            return "*" in patterns
        case "type":
            return any(fnmatchcase(_OURS[kind], pattern) for pattern in patterns)
        case "kind" | "driver":
            return any(fnmatchcase(kind, pattern) for pattern in patterns)
    return False
