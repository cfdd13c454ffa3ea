"""Tests of the files below /run/netorch and of saved plans, also those of older versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from netorch.api.saved_plan import read
from netorch.errors import NetorchError
from netorch.kernel.files import pending, records
from netorch.kernel.links import lent, nics
from netorch.kernel.system.boot import boot_id
from netorch.values.secret import Secret
from netorch.values.typed_json import decode, encode

META = {
    "source": "/tmp/lab.yaml",
    "variables": {"n": "3"},
    "override": None,
    "applied": 12.5,
    "version": "0.1.0",
}
NIC = {
    **{
        "index": 4,
        "name": "eth5",
        "alias": "",
        "mtu": 1500,
        "mac": "020000000001",
        "txqueuelen": 1000,
    },
    **{"up": True, "addresses": ["0a18"], "routes": []},
}
PLAN = {
    **{
        "format": "netorch plan",
        "version": 2,
        "netorch": "0.1.0",
        "topology": "lab",
        "changes": [],
    },
    **{
        "digest": "ab",
        "looked_at": {"link a/b": "cd"},
        "source": "/tmp/lab.yaml",
        "folder": "/tmp",
    },
    **{"name": None, "variables": {"n": "3"}, "saved": 12.5, "text": "nodes: {}\n"},
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the record of the topology `lab`."""
    monkeypatch.setattr(records, "RUN_NETORCH", str(tmp_path))
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab/topology.yaml").write_text("nodes: {}\n")
    return tmp_path / "lab"


@pytest.mark.parametrize(
    ("more", "folder", "namespaces"),
    [
        ({}, "", None),
        ({"folder": "/tmp"}, "/tmp", None),
        ({"folder": "/tmp", "namespaces": None}, "/tmp", None),
        ({"folder": "/tmp", "namespaces": ["a", "b"], "later": 1}, "/tmp", ("a", "b")),
    ],
)
def test_a_record_of_any_netorch_is_read(
    place: Path, more: dict[str, Any], folder: str, namespaces: Any
) -> None:
    (place / "meta.json").write_text(json.dumps(META | more, indent=1))
    record, warning = records.read_record("lab")
    assert record is not None and warning == ""
    assert (record.text, record.variables, record.applied) == ("nodes: {}\n", {"n": "3"}, 12.5)
    assert (record.folder, record.namespaces) == (folder, namespaces)


@pytest.mark.parametrize("missing", [*META, ""])
def test_a_record_without_a_field_is_damaged(place: Path, missing: str) -> None:
    meta = {key: value for key, value in META.items() if key != missing}
    (place / "meta.json").write_text(json.dumps(meta))
    record, warning = records.read_record("lab")
    assert (record is None, "damaged" in warning) == (missing != "", missing != "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"variables": 3},
        {"variables": {"n": 3}},
        {"override": 1},
        {"applied": "x"},
        {"namespaces": "a"},
    ],
)
def test_a_record_with_a_wrong_type_is_damaged(place: Path, wrong: dict[str, Any]) -> None:
    (place / "meta.json").write_text(json.dumps(META | wrong))
    assert "damaged" in records.read_record("lab")[1]


def test_a_path_need_not_be_utf8(place: Path) -> None:
    record = records.Record(
        text="nodes: {}\n",
        source="/tmp/\udcff.yaml",
        variables={},
        override=None,
        applied=1.0,
        version="0.1.0",
        folder="/\udcff",
        namespaces=("a",),
        filters={"host": "nftables"},
    )
    records.write_record("lab", record)
    assert records.read_record("lab") == (record, "")
    assert json.loads((place / "meta.json").read_text()) == {
        **{"source": "/tmp/\udcff.yaml", "variables": {}, "override": None, "applied": 1.0},
        **{
            "version": "0.1.0",
            "folder": "/\udcff",
            "namespaces": ["a"],
            "filters": {"host": "nftables"},
        },
    }


def test_settings_are_read_as_they_were_written(place: Path) -> None:
    paths = ("net/ipv4/conf/a/forwarding", "net/ipv6/conf/a/forwarding")
    originals = {"host": {paths: ((4, 5), ("0", "1")), paths[:1]: ((4, 5), ())}}
    records.write_sysctls("lab", originals)
    assert json.loads((place / "sysctls.json").read_text()) == {
        "host": {" ".join(paths): [[4, 5], "0 | 1"], paths[0]: [[4, 5], ""]}
    }
    assert records.read_sysctls("lab") == (originals, "")


@pytest.mark.parametrize(
    "text",
    ["3", "[]", "{", '{"host": {"a": [[1, 2]]}}', '{"host": {"a": [[1], "0"]}}', "[" * 100000],
)
def test_damaged_settings(place: Path, text: str) -> None:
    (place / "sysctls.json").write_text(text)
    assert records.read_sysctls("lab")[0] == {} and "damaged" in records.read_sysctls("lab")[1]


def test_a_pending_confirmation(place: Path) -> None:
    waiting = pending.Pending("token", 10.5, 20.5, 4, 5)
    pending.write("lab", waiting)
    file = place / "confirm.json"
    assert json.loads(file.read_text()) == {
        "token": "token",
        "deadline": 10.5,
        "until": 20.5,
        "watcher": 4,
        "started": 5,
        "undo": False,
        "caller": None,
    }
    assert pending.read("lab") == waiting
    for damage in (
        "",
        "null",
        "{",
        "[]",
        '{"token": "a"}',
        '{"token": 1, "deadline": 1, "until": 1, "watcher": 1, "started": 1}',
    ):
        file.write_text(damage)
        assert pending.read("lab") is None


def test_nics_are_known_but_for_damaged_ones(place: Path) -> None:
    damaged = [
        {"mac": "xy"},
        {"mac": "020"},
        {"addresses": [1]},
        {"up": "yes"},
        {"settings": {"other": {}}},
        {"mtu": "1500"},
    ]
    entries: dict[str, Any] = {
        f"bad{number}": NIC | {"boot": boot_id()} | wrong for number, wrong in enumerate(damaged)
    }
    old, new = (
        NIC | {"boot": boot_id()},
        NIC | {"boot": boot_id(), "settings": {"ipv4/conf": {"rp_filter": "1"}}},
    )
    # an entry from before the last boot does not count; older versions did not save the boot ID
    entries |= {"eth7": NIC, "eth8": NIC | {"boot": "another"}}
    (place / lent.FILE).write_text(json.dumps({"eth5": old, "eth6": new, "none": 3, **entries}))
    assert nics.remembered("lab") == {"eth5", "eth6", "eth7"}
    (place / lent.FILE).write_text("[]")
    assert nics.remembered("lab") == frozenset()


def test_a_saved_plan_is_read() -> None:
    saved = read(json.dumps(PLAN).encode(), "plan.json")
    assert (saved.topology, saved.planned, saved.looked_at) == ("lab", "ab", {"link a/b": "cd"})
    assert (saved.record.text, saved.record.folder, saved.record.namespaces) == (
        "nodes: {}\n",
        "/tmp",
        None,
    )


@pytest.mark.parametrize(
    "missing",
    ["topology", "digest", "source", "netorch", "text", "name", "variables", "saved", "looked_at"],
)
def test_a_saved_plan_without_a_field(missing: str) -> None:
    text = json.dumps({key: value for key, value in PLAN.items() if key != missing})
    with pytest.raises(NetorchError, match=f"this is not a saved plan: '{missing}' is missing"):
        read(text.encode(), "plan.json")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"format": "other"}, "it was not written by `netorch diff --out`"),
        ({"version": 1}, "its version is 1"),
        ({"looked_at": 5}, "a value has the wrong type"),
        ({"text": None}, "a value has the wrong type"),
        ({"name": 1}, "a value has the wrong type"),
    ],
)
def test_a_saved_plan_that_is_wrong(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(NetorchError, match=f"this is not a saved plan: {why}"):
        read(json.dumps(PLAN | wrong).encode(), "plan.json")


def test_a_secret_is_not_written() -> None:
    with pytest.raises(TypeError):
        encode({"key": Secret(b"x")})


def test_text_of_another_form_is_refused() -> None:
    assert decode('{"a": [1, "b"]}', dict[str, tuple[int, str]]) == {"a": (1, "b")}
    for text in ("", "{", '{"a": [1]}', '{"a": [1, 2]}', "[" * 100000, b"\xff"):
        with pytest.raises(ValueError):
            decode(text, dict[str, tuple[int, str]])
