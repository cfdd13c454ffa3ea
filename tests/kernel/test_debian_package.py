"""The Debian package in a minimal Debian: apt installs it, it is used, and nothing of it stays."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from netorch import __version__
from netorch.boot.files import Settings, digest_of
from tests.kernel.debian import Chroot, packages
from tests.kernel.host import Host
from tests.programs import require_program

PAIR = "/usr/share/doc/netorch/examples/veth-pair.yaml"
WANTS = "etc/systemd/system/multi-user.target.wants"
SHARED = (
    "usr/share/bash-completion/completions/netorch",
    "usr/share/zsh/vendor-completions/_netorch",
    "usr/share/fish/vendor_completions.d/netorch.fish",
    "usr/share/ansible/collections/ansible_collections/netorch/netorch/galaxy.yml",
    "lib/systemd/system/netorch@.service",
    "lib/systemd/system/netorch-watch.service",
    "usr/share/doc/netorch/copyright",
)


@pytest.fixture
def debian(host: Host, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Chroot:
    """A Debian in which apt has installed the package."""
    files = packages(tmp_path_factory)
    main, graph = files["netorch"], files["netorch-graph"]
    return Chroot(
        host,
        tmp_path / "scratch",
        f"copy-in {main} {graph} /root",
        'chroot "$1" apt-get update -q >&2',
        f'chroot "$1" apt-get install -qy /root/{main.name} iputils-ping >&2',
    )


def test_the_package_from_installation_to_purge(debian: Chroot) -> None:
    run, root = debian.run, debian.root
    assert run("netorch", "--version").stdout.split() == ["netorch", __version__]
    check_the_files(debian)

    run("netorch", "doctor")
    run("netorch", "apply", PAIR)
    run("ping", "-c1", "-w9", "10.0.0.2")
    assert run("netorch", "diff", PAIR).stdout == "veth-pair: in sync\n"
    assert run("netorch", "enable", PAIR, check=False).stderr.startswith(
        "netorch: systemd does not"
    )
    graph = run("netorch", "graph", PAIR, "-o", "svg", check=False)
    assert "apt install netorch-graph" in graph.stderr

    graph_package = next((root / "root").glob("netorch-graph_*.deb"))
    run("dpkg", "-i", f"/root/{graph_package.name}")
    assert "<svg" in run("netorch", "graph", PAIR, "-o", "svg").stdout
    run("apt-get", "purge", "-y", "netorch-graph")

    before = debian.host.snapshot()
    main_package = next((root / "root").glob("netorch_*.deb"))
    run("dpkg", "-i", f"/root/{main_package.name}")
    assert debian.host.snapshot() == before
    run("netorch", "destroy", "veth-pair")

    # an apply on trial needs the files of the package until its end
    run("netorch", "apply", "--confirm-within", "600", PAIR)
    refused = run("apt-get", "remove", "-y", "netorch", check=False)
    assert refused.returncode == 100
    assert "run `netorch confirm veth-pair`" in refused.stderr + refused.stdout
    run("netorch", "confirm")

    own = debian.paths_of("netorch")
    assert root / "usr/lib/netorch" in own
    run("dpkg", "--verify", "netorch")
    before = debian.host.snapshot()
    removed = run("apt-get", "remove", "-y", "netorch")
    assert "stay until the machine restarts: veth-pair" in removed.stderr + removed.stdout
    assert debian.host.snapshot() == before
    assert [path for path in own if path.exists() or path.is_symlink()] == []
    check_the_purge(debian)


def check_the_files(debian: Chroot) -> None:
    """The package is complete, and Python need not compile anything."""
    run, root = debian.run, debian.root
    assert run("dpkg", "--verify", "netorch").stdout == ""
    assert [name for name in SHARED if not (root / name).is_file()] == []
    site = next((root / "usr/lib/netorch/lib").glob("python3*/site-packages"))
    assert not [
        name for name in ("tests", "docs", "pip", "py_mini_racer") if (site / name).exists()
    ]
    sources = list(site.rglob("*.py"))
    tag = run(
        "/usr/lib/netorch/bin/python", "-c", "import sys; print(sys.implementation.cache_tag)"
    )
    assert len(sources) > 500
    assert not [
        path
        for path in sources
        if not (path.parent / f"__pycache__/{path.stem}.{tag.stdout.strip()}.pyc").exists()
    ]
    libraries = [f"/{path.relative_to(root)}" for path in site.rglob("*.so")]
    assert len(libraries) > 5
    assert "not found" not in run("ldd", *libraries).stdout
    require_program("man", "man-db")
    page = subprocess.run(
        ["man", "--warnings", "-l", root / "usr/share/man/man1/netorch.1.gz"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MANPAGER": "cat"},
    )
    assert page.stderr == ""
    assert "netorch apply [FILE]" in page.stdout


def check_the_purge(debian: Chroot) -> None:
    """A purge removes what `netorch enable` wrote, and nothing that somebody edited."""
    root, folder = debian.root, debian.root / "etc/netorch"
    folder.mkdir()
    (root / WANTS).mkdir(parents=True, exist_ok=True)
    (root / WANTS / "netorch@lab.service").symlink_to("/lib/systemd/system/netorch@.service")
    for name, edit in {"lab": "", "edited": "# more\n"}.items():
        text = f"name: {name}\n"
        (folder / f"{name}.yaml").write_text(text + edit)
        settings = Settings(digest_of(text.encode()), variables={"a": "1"})
        (folder / f"{name}.env").write_text(settings.text())
    (folder / "watch.env").write_text("NETORCH_WATCH=--quiet\n")
    debian.run("apt-get", "purge", "-y", "netorch")
    assert sorted(path.name for path in folder.iterdir()) == ["edited.yaml", "watch.env"]
    assert list((root / WANTS).glob("netorch*")) == []
