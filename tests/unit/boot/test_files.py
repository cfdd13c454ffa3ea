"""The files that `enable` writes, and how it recognises them."""

from __future__ import annotations

import configparser
import subprocess
from pathlib import Path

import pytest

from netorch.boot import files
from netorch.boot.enable import unit_text
from netorch.boot.files import Settings, Signature, signature_of
from netorch.errors import NetorchError
from netorch.kernel.services.edits import Edits


@pytest.mark.parametrize(
    "value", ["", "10.0.0", "a b", 'a"b', "a\\b", "$HOME", "`id`", "ä", "a'b", "#no", "a=b"]
)
def test_a_variable_is_quoted(value: str) -> None:
    text = Settings(variables={"net": value}).text()
    # the quoting of EnvironmentFile= is that of a shell
    read = subprocess.run(["sh", "-c", f'{text}printf %s "$NETORCH_VAR_net"'], capture_output=True)
    assert read.stdout.decode() == value


@pytest.mark.parametrize("value", ["a\nb", "\x1b", "a\tb", "\udcff"])
def test_a_value_that_systemd_would_not_pass_is_an_error(value: str) -> None:
    with pytest.raises(NetorchError, match="unprintable characters"):
        Settings(variables={"net": value}).text()


def test_the_settings_have_the_options_of_apply() -> None:
    text = Settings("ab" * 32, "copy", "rack1", {"b": "2", "a": "1"}).text()
    assert text.splitlines()[2:] == [
        'NETORCH_OPTIONS="--name copy --host rack1"',
        'NETORCH_VAR_a="1"',
        'NETORCH_VAR_b="2"',
    ]
    assert signature_of(text) == Signature(True, False, "ab" * 32)


def test_an_edit_is_recognised() -> None:
    text = Settings().text()
    assert signature_of(text) == Signature(True, False, "-")
    assert signature_of(f"{text}NETORCH_VAR_x=1\n").is_edited
    for other in ("", "\n", "[Unit]\n", text.split("\n", 1)[1], text.replace("sha256", "md5")):
        assert signature_of(other) == Signature()


@pytest.mark.parametrize("unit", [files.TEMPLATE, files.WATCH])
def test_a_unit_starts_the_program_that_enabled_it(unit: str) -> None:
    text = unit_text(unit)
    assert files.SYSTEM_PROGRAM in text
    changed = files.unit(text, files.command_line(["/opt/my venv/50%/netorch"]))
    assert files.SYSTEM_PROGRAM not in changed
    assert 'ExecStart="/opt/my venv/50%%/netorch" ' in changed
    assert not signature_of(changed).is_edited
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(changed)
    assert set(parser.sections()) == {"Unit", "Service", "Install"}


def test_the_watch_has_no_file_system_of_its_own() -> None:
    """Namespaces that it makes would otherwise have their names there, and nowhere else."""
    private = ("Protect", "Private", "ReadOnly", "ReadWrite", "Inaccessible", "Bind", "Temporary")
    lines = unit_text(files.WATCH).splitlines()
    assert not [line for line in lines if line.startswith((*private, "MountFlags", "Root"))]


@pytest.mark.parametrize("word", ['/a"b', "/a'b", "/a\\b", "/a$b", "/a\nb"])
def test_a_program_that_a_unit_cannot_start_is_an_error(word: str) -> None:
    with pytest.raises(NetorchError, match="cannot start a program"):
        files.command_line([word])


def test_edits_are_undone(tmp_path: Path) -> None:
    old, new, gone = tmp_path / "old", tmp_path / "folder/new", tmp_path / "gone"
    old.write_bytes(b"old")
    old.chmod(0o640)
    gone.write_bytes(b"gone")
    edits = Edits()
    edits.write(str(old), b"old", 0o600)
    assert not edits.has_changed
    edits.write(str(old), b"1", 0o600)
    edits.write(str(old), b"2", 0o600)
    edits.write(str(new), b"3", 0o600)
    edits.remove(str(gone))
    edits.remove(str(tmp_path / "none"))
    assert (old.read_bytes(), new.read_bytes(), gone.exists()) == (b"2", b"3", False)
    with pytest.raises(NetorchError, match="Not a directory"):
        edits.write(f"{old}/below", b"", 0o600)
    edits.undo()
    assert (old.read_bytes(), old.stat().st_mode & 0o777) == (b"old", 0o640)
    assert gone.read_bytes() == b"gone"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gone", "old"]
