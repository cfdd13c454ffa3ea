"""README.md and the data of the package: what they say about the project is true."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HOME = PROJECT["urls"]["Homepage"]


def test_the_first_screen_has_the_sentence_and_the_pictures() -> None:
    first = README.splitlines()[:20]
    assert any(line.startswith("**netorch ") for line in first)
    for picture in ("lab.svg", "demo.svg"):
        assert any(line.endswith(f"](docs/pictures/{picture})") for line in first)


def test_the_badges_are_true() -> None:
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert jobs["unit"]["strategy"]["matrix"]["python"] == versions
    badges = re.findall(r"^\[!\[(.+?)\]\((\S+?)\)\]\((\S+?)\)$", README, re.M)
    assert [(text, target) for text, _, target in badges] == [
        ("CI", ".github/workflows/ci.yml"),
        (f"Python {', '.join(versions)}", "pyproject.toml"),
        ("Licence: Apache 2.0", "LICENSE"),
    ]
    sources = [source for _, source, _ in badges]
    assert sources[0] == f"{HOME}/actions/workflows/ci.yml/badge.svg"
    assert "_|_".join(versions) in sources[1] and "Apache_2.0" in sources[2]
    assert PROJECT["license"].startswith("Apache-2.0")


def test_the_repository_has_one_address() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    links = {
        link
        for page in pages
        for link in re.findall(r"https://github\.com/netorch/[\w.-]+", page.read_text())
    }
    assert links == {HOME}
    assert all(url.startswith(HOME) for url in PROJECT["urls"].values())


def test_the_commands_of_the_set_up() -> None:
    """Both install everything themselves, so each works as the first command in a clone."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.S)
    assert (
        "apt-get update && apt-get install -y python3-venv iputils-ping libnftables1 && "
        "python3 -m venv .venv && .venv/bin/pip install '.[graph]' && "
        ".venv/bin/netorch apply topologies/veth-pair.yaml && ping -c 1 10.0.0.2\n"
    ) in blocks
    assert "bash tests/run\n" in blocks


def test_links_lead_to_files() -> None:
    targets = re.findall(r"\]\((?!https:|#)([^)#]+)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
