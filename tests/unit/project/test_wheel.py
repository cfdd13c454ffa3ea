"""The wheel and the source archive: what is in them, and that shells and `man` find their files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import argcomplete
import pytest

from netorch import __version__
from tests.programs import require_program
from tests.unit.cli.test_completion import on_terminal

ROOT = Path(__file__).resolve().parents[3]
SHARED = {
    "share/man/man1/netorch.1",
    "share/bash-completion/completions/netorch",
    "share/zsh/site-functions/_netorch",
    "share/fish/vendor_completions.d/netorch.fish",
}
LEARN = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        "source {}/bash-completion/completions/netorch",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        "fpath=({}/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -D",
    ),
    "fish": (
        ["fish", "--no-config", "-i"],
        "set -p fish_complete_path {}/fish/vendor_completions.d",
    ),
}
"""How each shell learns the completions that are below a folder `share`."""

pytestmark = pytest.mark.slow


def build(tree: Path, folder: Path, *targets: str) -> None:
    words = [word for target in targets for word in ("-t", target)]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", folder, *words],
        cwd=tree,
        check=True,
        capture_output=True,
    )


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive of a clean copy of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    unclean = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "_build", "dist")
    shutil.copytree(ROOT, folder / "tree", ignore=shutil.ignore_patterns(*unclean), symlinks=True)
    build(folder / "tree", folder / "dist", "sdist", "wheel")
    return folder / "dist"


@pytest.fixture(scope="module")
def prefix(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment in which pip has installed the wheel."""
    folder = tmp_path_factory.mktemp("prefix")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "-q", "--python", folder / "bin/python", "install"]
    wheel = next(dist.glob("*.whl"))
    subprocess.run([*pip, "--no-index", "--no-deps", wheel], check=True)
    return folder


def test_the_source_archive_makes_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    name = f"netorch-{__version__}"
    with tarfile.open(dist / f"{name}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    build(tmp_path / name, tmp_path, "wheel")
    wheel = f"{name}-py3-none-any.whl"
    assert (tmp_path / wheel).read_bytes() == (dist / wheel).read_bytes()


def test_what_is_in_the_wheel(dist: Path) -> None:
    name = f"netorch-{__version__}"
    with zipfile.ZipFile(dist / f"{name}-py3-none-any.whl") as archive:
        names = set(archive.namelist())
    tops = {path.partition("/")[0] for path in names}
    assert tops == {"netorch", "ansible_collections", f"{name}.dist-info", f"{name}.data"}
    assert {path for path in names if ".data/" in path} == {
        f"{name}.data/data/{path}" for path in SHARED
    }
    licences = f"{name}.dist-info/licenses"
    assert {f"{licences}/LICENSE", f"{licences}/netorch/render/graph/elk.LICENSE"} <= names
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "netorch").rglob("*.py")}
    assert sources <= names


def test_links_of_the_description_lead_out_of_the_package(dist: Path) -> None:
    name = f"netorch-{__version__}"
    with zipfile.ZipFile(dist / f"{name}-py3-none-any.whl") as archive:
        metadata = archive.read(f"{name}.dist-info/METADATA").decode()
    text = metadata.partition("\n\n")[2]
    readme = (ROOT / "README.md").read_text()
    links, written = (re.findall(r"(!?)\[[^\[\]]*\]\(([^)]+)\)", page) for page in (text, readme))
    assert text.startswith(readme[:20]) and len(links) == len(written)
    for (image, link), (_, path) in zip(links, written, strict=True):
        if path.startswith(("https://", "#")):
            assert link == path
        else:
            server = "raw.githubusercontent.com" if image else "github.com"
            assert link.startswith(f"https://{server}/netorch/netorch/")
            assert link.endswith(f"/main/{path}") and (ROOT / path.partition("#")[0]).exists()


def test_an_installed_wheel(prefix: Path, tmp_path: Path) -> None:
    assert [path for path in SHARED if not (prefix / path).is_file()] == []
    others = Path(argcomplete.__file__).parents[1]
    done = subprocess.run(
        [prefix / "bin/netorch", "validate", ROOT / "topologies/veth-pair.yaml"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(others)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_man_formats_the_page(prefix: Path) -> None:
    require_program("man", "man-db")
    done = subprocess.run(
        ["man", "--warnings", "-l", prefix / "share/man/man1/netorch.1"],
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MANPAGER": "cat"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "   netorch apply [FILE]" in lines
    assert "       -o, --output text|json" in lines
    assert not [line for line in lines if "`" in line or "**" in line or "<!--" in line]


@pytest.mark.parametrize("shell", LEARN)
def test_a_shell_completes_with_the_installed_file(
    shell: str, prefix: Path, tmp_path: Path
) -> None:
    argv, learn = LEARN[shell]
    require_program(argv[0], shell)
    say = 'function say; echo "[$argv]"; end' if shell == "fish" else 'say() { echo "[$*]"; }'
    first = f"{learn.format(prefix / 'share')}; {say}; echo rea''dy\r"
    line = "netorch des\t\x01say \x05\recho en''d\r"
    output = on_terminal(argv, tmp_path, first, "ready", line, "end")
    assert [text.strip() for text in output if text.startswith("[")] == ["[netorch destroy]"]
