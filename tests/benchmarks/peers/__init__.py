"""Other tools that make the same star, each as its own documentation does it, and how to run them.

A peer is measured from the start of its process to the moment when the network exists. Then the
benchmark checks that it does.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.shapes import Shape, member_address
from tests.kernel.host import PATH

GATEWAY = "10.9.255.254"
SYSTEM_PYTHON = "/usr/bin/python3"
FOLDER = Path(__file__).parent

BATCH, STEPS, MININET, IFSTATE = (
    "ip -batch, a process a namespace",
    "ip, a process a step",
    "Mininet, LinuxBridge",
    "ifstate",
)

Files = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Peer:
    """Another tool. `argv` runs in a folder with `files`."""

    name: str
    shapes: tuple[str, ...]
    """The shapes at which it is measured; others would take minutes."""
    install: str
    """How to install it."""
    installed: Callable[[], bool]
    files: Callable[[Shape], Files]
    argv: Callable[[Shape], Sequence[str]]
    prints_time: bool = False
    """It prints the time when the network existed, and checks and removes its network itself."""


def program(name: str) -> str | None:
    """Return the path of a program, or None.

    It may be on the PATH of private hosts, on this process's PATH, or in the folder of this Python.
    """
    return shutil.which(
        name, path=f"{PATH}:{os.environ.get('PATH', '')}:{Path(sys.executable).parent}"
    )


def _ip_lines(shape: Shape) -> tuple[list[str], list[str], dict[str, list[str]]]:
    """Return arguments of `ip`: for the namespaces, for the host, and for each node."""
    host = ["link add br0 type bridge"]
    nodes: dict[str, list[str]] = {}
    for number, name in enumerate(shape.members, 1):
        host += [
            f"link add v{number} type veth peer name eth0 netns {name}",
            f"link set v{number} master br0 up",
        ]
        address = f"address add {member_address(number)}/16 dev eth0"
        nodes[name] = [
            "link set lo up",
            "link set eth0 up",
            address,
            f"route add default via {GATEWAY}",
        ]
    return [f"netns add {name}" for name in shape.members], [*host, "link set br0 up"], nodes


def _batch_files(shape: Shape) -> Files:
    netns, host, nodes = _ip_lines(shape)
    script = "set -e\nip -batch netns.batch\nip -batch host.batch\n" + "".join(
        f"ip -n {name} -batch {name}.batch\n" for name in nodes
    )
    batches = {"netns": netns, "host": host, **nodes}
    return [
        ("create.sh", script),
        *((f"{name}.batch", "\n".join(lines) + "\n") for name, lines in batches.items()),
    ]


def _step_files(shape: Shape) -> Files:
    netns, host, nodes = _ip_lines(shape)
    steps = [
        *(f"ip {line}" for line in [*netns, *host]),
        *(f"ip -n {name} {line}" for name, lines in nodes.items() for line in lines),
    ]
    return [("create.sh", "set -e\n" + "\n".join(steps) + "\n")]


def _ifstate_files(shape: Shape) -> Files:
    interfaces: dict[str, object] = {"br0": {"link": {"kind": "bridge", "state": "up"}}}
    namespaces: dict[str, object] = {}
    for number, name in enumerate(shape.members, 1):
        near = {"kind": "veth", "peer": "eth0", "peer_netns": name, "master": "br0", "state": "up"}
        interfaces[f"v{number}"] = {"link": near}
        far = {"kind": "veth", "peer": f"v{number}", "peer_netns": None, "state": "up"}
        namespaces[name] = {
            # ifstate brings up lo by itself
            "interfaces": {"eth0": {"addresses": [f"{member_address(number)}/16"], "link": far}},
            "routing": {"routes": [{"to": "0.0.0.0/0", "via": GATEWAY}]},
        }
    return [("star.yaml", json.dumps({"interfaces": interfaces, "namespaces": namespaces}))]


def _nothing(shape: Shape) -> Files:
    return []


def _has_mininet() -> bool:
    """Tell whether the system's Python has Mininet, with the programs for its Linux bridges."""
    importable = (
        importlib.util.find_spec("mininet")
        if os.path.samefile(sys.executable, SYSTEM_PYTHON)
        else None
    )
    packaged = list(Path("/usr/lib/python3/dist-packages").glob("mininet/net.py"))
    return (
        bool(importable or packaged)
        and program("mnexec") is not None
        and program("brctl") is not None
    )


def _with_munet(shape: Shape) -> Sequence[str]:
    """munet looks for its programs on the PATH; its Python is in the same folder as they."""
    folder = Path(program("mutini") or "/").parent
    path = f"PATH={folder}:{PATH}"
    return "env", path, str(folder / "python3"), str(FOLDER / "with_munet.py"), str(shape.size)


PEERS = (
    Peer(
        BATCH,
        ("star-10", "star-100", "star-1000"),
        "apt-get install iproute2",
        lambda: program("ip") is not None,
        _batch_files,
        lambda _: ("sh", "create.sh"),
    ),
    Peer(
        STEPS,
        ("star-10", "star-100"),
        "apt-get install iproute2",
        lambda: program("ip") is not None,
        _step_files,
        lambda _: ("sh", "create.sh"),
    ),
    Peer(
        MININET,
        ("star-10", "star-100"),
        "apt-get install mininet bridge-utils",
        _has_mininet,
        _nothing,
        lambda shape: (SYSTEM_PYTHON, str(FOLDER / "with_mininet.py"), str(shape.size)),
        prints_time=True,
    ),
    Peer(
        IFSTATE,
        ("star-10", "star-100"),
        "pip install ifstate, into this environment or one whose bin is on PATH",
        lambda: program("ifstatecli") is not None,
        _ifstate_files,
        lambda _: (
            program("ifstatecli") or "ifstatecli",
            "--quiet",
            "--config",
            "star.yaml",
            "apply",
        ),
    ),
    Peer(
        "munet",
        ("star-10", "star-100"),
        "pip install munet, into this environment or one whose bin is on PATH; apt-get install procps",
        lambda: program("mutini") is not None and program("pgrep") is not None,
        _nothing,
        _with_munet,
        prints_time=True,
    ),
    *(
        Peer(
            name,
            ("star-10", "star-100"),
            "pip install pyroute2",
            lambda: importlib.util.find_spec("pyroute2") is not None,
            _nothing,
            lambda shape, script=script: (sys.executable, str(FOLDER / script), str(shape.size)),  # type: ignore[misc]
        )
        for name, script in (
            ("pyroute2, netns.create and IPRoute(netns=)", "with_pyroute2.py"),
            ("pyroute2, NDB", "with_ndb.py"),
        )
    ),
)
