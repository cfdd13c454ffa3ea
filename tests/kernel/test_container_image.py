"""The container image: built on a minimal Debian, and used inside alone and for the host."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from netorch import __version__
from tests.kernel.debian import bootstrap, packages
from tests.kernel.engines import Machine, Podman, need
from tests.kernel.host import SOURCE, Host

# Builds the image with the network of this machine, and with the engine's storage in memory, at a
# short path, because Podman takes no longer one.
BUILD = """
mount -t tmpfs tmpfs /mnt
export TMPDIR=/mnt
podman() {
    command podman --root "$TMPDIR/store" --runroot "$TMPDIR/run" --storage-driver vfs \
        --cgroup-manager cgroupfs --runtime runc "$@"
}
podman import -q - base
podman build -q --network host --isolation chroot --build-arg BASE=localhost/base \
    --build-arg PACKAGE=given -f "$1" -t netorch "$2"
podman save -q -o "$3" netorch
"""
FOR_THE_HOST = (
    *("--privileged", "--network=host", "--pid=host"),
    *("-v", "/run/netns:/run/netns:rshared", "-v", "/run/netorch:/run/netorch"),
    *("-v", "/etc/netns:/etc/netns"),
)
INSIDE = """
netorch apply && ping -c1 -w9 10.0.0.2 && netorch diff && netorch exec ns1 ip -brief address
"""


@pytest.fixture
def engine(host: Host, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Podman:
    """A Podman that has the image."""
    need("podman", "conmon", "runc")
    package = packages(tmp_path_factory)["netorch"]
    context = tmp_path / "context"
    (context / "dist").mkdir(parents=True)
    shutil.copy(package, context / "dist")
    file = SOURCE / "packaging/container/Containerfile"
    apart = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", BUILD, "sh"]
    words = [str(word) for word in (file, context, tmp_path / "image.tar")]
    bootstrap(tmp_path / "scratch", [*apart, *words])
    machine = Machine(host, "nft")
    engine = Podman(machine)
    engine("load", "-q", "-i", str(tmp_path / "image.tar"))
    (tmp_path / "image.tar").unlink()
    return engine


def test_the_image(engine: Podman) -> None:
    host = engine.host
    host.run("cp", SOURCE / "topologies/veth-pair.yaml", "topo.yaml")
    work = ("run", "--rm", "-v", f"{host.directory}:/work")
    assert engine(*work, "netorch", "--version").split() == ["netorch", __version__]

    before = host.snapshot()
    inside = engine(
        *work, "--privileged", "--network=none", "--entrypoint=sh", "netorch", "-ec", INSIDE
    )
    assert "veth-pair: in sync" in inside
    assert "10.0.0.2/24" in inside
    assert host.snapshot() == before

    host.run("mkdir", "-p", "/run/netns", "/etc/netns")
    host.run("mkdir", "-p", "-m", "700", "/run/netorch")
    engine(*work, *FOR_THE_HOST, "netorch", "apply")
    host.run("ping", "-c1", "-w9", "10.0.0.2")
    assert "10.0.0.2/24" in host.run("ip", "-n", "ns1", "-brief", "address").stdout
    assert host.netorch("diff", "topo.yaml").stdout == "veth-pair: in sync\n"
    assert engine(*work, *FOR_THE_HOST, "netorch", "diff") == "veth-pair: in sync"
    engine(*work, *FOR_THE_HOST, "netorch", "destroy", "veth-pair")
    assert "ns1" not in host.run("ip", "netns", "list").stdout
