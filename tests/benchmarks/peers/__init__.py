"""Other tools that make the same star, each as its own documentation would have it: what they are, whether they are here, how they are run.

A peer is measured from the start of its process to the moment when the network is there. Then it is looked whether it is.
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
    """`argv` runs in the folder that has `files`. `shapes`: at which it is measured; it takes minutes elsewhere.

    `said`: it prints itself when it was done, and checks itself before it takes its network away with it.
    """

    name: str
    shapes: tuple[str, ...]
    install: str
    installed: Callable[[], bool]
    files: Callable[[Shape], Files]
    argv: Callable[[Shape], Sequence[str]]
    said: bool = False


def program(name: str) -> str | None:
    """Path of a program on the PATH of private hosts, on our own, or beside the Python that runs this."""
    return shutil.which(
        name, path=f"{PATH}:{os.environ.get('PATH', '')}:{Path(sys.executable).parent}"
    )


def _ip_lines(shape: Shape) -> tuple[list[str], list[str], dict[str, list[str]]]:
    """As arguments of `ip`: namespaces, what the host has, what each node has."""
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
            "interfaces": {
                "eth0": {"addresses": [f"{member_address(number)}/16"], "link": far}
            },  # lo it brings up by itself
            "routing": {"routes": [{"to": "0.0.0.0/0", "via": GATEWAY}]},
        }
    return [("star.yaml", json.dumps({"interfaces": interfaces, "namespaces": namespaces}))]


def _nothing(shape: Shape) -> Files:
    return []


def _has_mininet() -> bool:
    """The package for the system's Python, with what its Linux bridges are made by."""
    found = (
        importlib.util.find_spec("mininet")
        if os.path.samefile(sys.executable, SYSTEM_PYTHON)
        else None
    )
    packaged = list(Path("/usr/lib/python3/dist-packages").glob("mininet/net.py"))
    return (
        bool(found or packaged) and program("mnexec") is not None and program("brctl") is not None
    )


def _with_munet(shape: Shape) -> Sequence[str]:
    """Its programs are looked for on the PATH, and its Python is the one beside them."""
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
        said=True,
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
        said=True,
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
