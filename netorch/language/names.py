"""Checks of names that records and command lines have too, without the models of the file."""

import re

HOST_GATEWAY = "host-gateway"
"""The word for an address of the host, as in `extra_hosts` of Docker."""
TOPOLOGY = r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?"
"""The pattern of the names of topologies."""
TOPOLOGY_RULE = "use at most 32 lower-case letters, digits and '-', with no '-' first or last"


def topology_name(name: str) -> str:
    """Return the name of a topology. Raise ValueError if it cannot be one."""
    if not re.fullmatch(TOPOLOGY, name):
        raise ValueError(f"{name!r} cannot be a topology's name: {TOPOLOGY_RULE}")
    return name


def sysctl_path(name: str) -> str:
    """Return a sysctl's path below /proc/sys: `net/ipv4/ip_forward` for `net.ipv4.ip_forward`.

    Raise ValueError if it is not a sysctl of a network namespace.
    """
    parts = name.split("/") if "/" in name.partition(".")[0] else _dotted(name)
    if (
        any(not re.fullmatch(r"[A-Za-z0-9_.@:+-]+", part) or part in {".", ".."} for part in parts)
        or len(parts) < 2
    ):
        raise ValueError(f"{name!r} is not a sysctl such as net.ipv4.conf.all.rp_filter")
    if parts[0] != "net":
        raise ValueError(
            f"{name!r} belongs to the whole machine, not to a network namespace: only net.* can "
            "be set"
        )
    return "/".join(parts)


def _dotted(name: str) -> list[str]:
    """Split a sysctl with dots. `eth1/10` in it means the interface `eth1.10`, as in sysctl(8)."""
    return [part.replace("/", ".") for part in name.split(".")]
