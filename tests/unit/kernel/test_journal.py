"""The lines of the log, as the journal and syslog get them."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from pathlib import Path

import pytest

from netorch.errors import NetorchError
from netorch.immutable import replace
from netorch.kernel.journal import native, read, syslog, write
from netorch.render.history import listing, row
from netorch.values.act import Act, Caller

ACT = Act(
    act="apply",
    topology="lab",
    counts={"delete": 1, "create": 3},
    seconds=0.4251,
    file="/etc/netorch/lab.yaml",
    digest="ab" * 32,
    machine="rack1",
    caller=Caller(0, 1000, "alice"),
    time=1_700_000_000.0,
)


def decode(datagram: bytes) -> dict[str, str]:
    """Read a datagram as the documentation of the protocol says."""
    result = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + length], rest[9 + length :]
        result[name.decode()] = value.decode("utf-8", "surrogateescape")
        datagram = rest
    return result


def test_an_act_is_a_sentence_and_fields() -> None:
    fields = decode(native.encode(native.fields(ACT)))
    assert fields.pop("NETORCH_VERSION")
    assert fields == {
        "MESSAGE": "lab: applied, 3 created, 1 deleted, by alice in 0.43 s",
        "PRIORITY": "5",
        "SYSLOG_IDENTIFIER": "netorch",
        "MESSAGE_ID": native.MESSAGE_ID,
        "NETORCH_ACT": "apply",
        "NETORCH_TOPOLOGY": "lab",
        "NETORCH_OUTCOME": "done",
        "NETORCH_CREATE": "3",
        "NETORCH_DELETE": "1",
        "NETORCH_SECONDS": "0.425",
        "NETORCH_FILE": "/etc/netorch/lab.yaml",
        "NETORCH_DIGEST": "ab" * 32,
        "NETORCH_MACHINE": "rack1",
        "NETORCH_UID": "0",
        "NETORCH_LOGINUID": "1000",
        "NETORCH_SUDO_USER": "alice",
    }


@pytest.mark.parametrize(
    "value",
    ["a\nNETORCH_ACT=destroy", "\n", "a=b", "\udcff\n\0", "x" * 9000, "ü" * 1500, "\n" * 3000],
)
def test_no_value_begins_another_field(value: str) -> None:
    act = Act(act="apply", topology="lab", file=value, reason=value, caller=Caller(0, None, value))
    fields = decode(native.encode(native.fields(act)))
    assert fields["NETORCH_ACT"] == "apply"
    for name in ("NETORCH_FILE", "NETORCH_REASON", "NETORCH_SUDO_USER"):
        assert value.startswith(fields[name].rstrip("\udcc3"))
        assert len(fields[name]) >= min(len(value), 1000)


@pytest.mark.parametrize(
    ("act", "text", "priority"),
    [
        (Act(act="apply", topology="lab"), "lab: applied, no object changed", 5),
        (Act(act="confirm", topology="lab"), "lab: confirmed", 5),
        (
            Act(act="reconcile", topology="lab", counts={"update": 1}),
            "lab: put right, 1 updated",
            5,
        ),
        (
            Act(act="apply", topology="lab", counts={"create": 1}, trial=60.0),
            "lab: applied, 1 created, on trial for 60 s",
            5,
        ),
        (
            Act(act="apply", topology="lab", outcome="refused", reason="It is taken."),
            "lab: not applied, nothing was changed: It is taken.",
            4,
        ),
        (
            Act(act="apply", topology="lab", outcome="rolled-back", caller=Caller(0, 1000)),
            "lab: not applied, rolled back, by user ID 1000",
            4,
        ),
        (
            Act(act="destroy", topology="lab", outcome="incomplete"),
            "lab: not destroyed, a part of it is left",
            3,
        ),
    ],
)
def test_the_sentence_says_what_is_left(act: Act, text: str, priority: int) -> None:
    assert act.text() == text
    assert native.priority(act) == priority


def test_a_line_of_syslog_has_the_whole_act() -> None:
    line = syslog.line(ACT, 4711).decode()
    local = time.localtime(ACT.time)
    assert line.startswith(f"<29>Nov {local.tm_mday:2} ")
    assert " netorch[4711]: lab: applied, 3 created, 1 deleted, by alice in 0.43 s" in line
    assert syslog.act_of(line) == ACT
    assert syslog.act_of(f"2026-11-30T06:00:00+00:00 box {line.partition(' ')[2]}") == ACT


def test_a_line_of_syslog_stays_one() -> None:
    act = Act(act="apply", topology="lab", reason="one\ntwo\x1b[2J", file="/\udcff\n")
    line = syslog.line(act, 1)
    assert b"\n" not in line and b"\x1b" not in line
    assert syslog.act_of(line.decode()) == act


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Nov 30 06:00:00 box netorch[1]: lab: applied",
        "Nov 30 06:00:00 box netorch[1]: lab: applied netorch-act={",
        'Nov 30 06:00:00 box netorch[1]: lab: applied netorch-act={"act": "apply", "topolo',
        'Nov 30 06:00:00 box other[1]: lab: applied netorch-act={"act": "apply"}',
        'Nov 30 06:00:00 box netorch[1]: lab netorch-act={"act": 1, "topology": []}',
        "netorch[1]: netorch-act={" * 3000,
    ],
)
def test_other_lines_are_no_acts(line: str) -> None:
    assert syslog.act_of(line) is None


@pytest.fixture
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(write, "JOURNAL", str(tmp_path / "journal"))
    monkeypatch.setattr(write, "SYSLOG", str(tmp_path / "log"))
    return tmp_path


def listen(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind(str(path))
    server.setblocking(False)
    return server


ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root can make a socket of root")


@ROOT
def test_the_journal_comes_before_syslog(sockets: Path) -> None:
    with listen(sockets / "log") as log:
        write.write(ACT)
        assert syslog.act_of(log.recv(9000).decode()) == ACT
        with listen(sockets / "journal") as journal:
            write.write(ACT)
            assert decode(journal.recv(9000))["NETORCH_TOPOLOGY"] == "lab"
        with pytest.raises(BlockingIOError):
            log.recv(9000)


@ROOT
def test_a_private_host_is_silent(sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(write.SETTINGS, "silent", True)
    with listen(sockets / "journal") as journal:
        write.write(ACT)
        with pytest.raises(BlockingIOError):
            journal.recv(9000)


@ROOT
def test_a_full_queue_does_not_wait(sockets: Path) -> None:
    with listen(sockets / "journal"):
        for _ in range(2000):
            write.write(ACT)


@ROOT
def test_a_socket_of_another_user_gets_nothing(sockets: Path) -> None:
    with listen(sockets / "journal") as journal:
        os.chown(sockets / "journal", 65534, 65534)
        write.write(ACT)
        with pytest.raises(BlockingIOError):
            journal.recv(9000)


def test_what_is_not_a_socket_is_left_alone(sockets: Path) -> None:
    (sockets / "journal").write_text("mine")
    (sockets / "log").mkdir()
    write.write(ACT)
    assert (sockets / "journal").read_text() == "mine"


@ROOT
def test_a_socket_without_a_reader_is_not_an_error(sockets: Path) -> None:
    listen(sockets / "journal").close()
    write.write(ACT)


def test_the_caller_is_who_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setenv("DOAS_USER", "bob")
    assert write.caller().sudo_user == "bob"
    assert write.caller().uid == os.getuid()
    monkeypatch.setenv("SUDO_USER", "alice")
    assert write.caller().text() == "by alice"


def entry(**fields: object) -> bytes:
    """Return a line of `journalctl -o json`."""
    usual = {f"NETORCH_{name}": value for name, value in fields.items()}
    return json.dumps({"__REALTIME_TIMESTAMP": "1700000000000000", **usual}).encode()


def test_an_entry_of_the_journal_is_the_act_again() -> None:
    fields = dict(native.fields(ACT)) | {"__REALTIME_TIMESTAMP": "1700000000000000"}
    assert read.act_of_entry(json.dumps(fields).encode()) == replace(ACT, seconds=0.425)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("/a", "/a"),
        ([47, 255, 10], "/\udcff\n"),
        (["/a", "/b"], "/a"),
        ([[47, 97], "/b"], "/a"),
        (None, ""),
        ([300], ""),
        ([], ""),
        ({}, ""),
    ],
)
def test_a_field_of_any_form_is_read(value: object, text: str) -> None:
    act = read.act_of_entry(entry(ACT="apply", TOPOLOGY="lab", OUTCOME="done", FILE=value))
    assert act is not None
    assert act.file == text


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"1", entry(ACT="apply"), entry(ACT="a", TOPOLOGY=None, OUTCOME="b")]
)
def test_an_entry_without_an_act_is_left_out(line: bytes) -> None:
    assert read.act_of_entry(line) is None


def test_the_files_of_syslog_are_read_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / "syslog.1", tmp_path / "syslog", tmp_path / "messages"]
    monkeypatch.setattr(read, "FILES", tuple(map(str, files)))
    monkeypatch.setattr(read, "JOURNALS", (str(tmp_path / "none"),))
    monkeypatch.setattr(read, "JOURNAL", str(tmp_path / "none"))
    monkeypatch.setattr(read, "SYSLOG", str(tmp_path / "none"))
    with pytest.raises(NetorchError, match="no journal"):
        read.history(None, 10, None)
    acts = [replace(ACT, topology=f"lab{number}", time=1e9 + number) for number in range(6)]
    lines = [syslog.line(act, 1) + b"\n" for act in acts]
    files[0].write_bytes(b"".join(lines[:3]) + b"\xff noise\n")
    files[1].write_bytes(b"".join(lines[3:]))
    os.mkfifo(files[2])
    past = read.history(None, 4, None)
    assert past == read.History(tuple(acts[2:]), "syslog", more=True, grows=False)
    monkeypatch.setattr(read, "SYSLOG", str(tmp_path))
    assert read.history(None, 4, None).grows
    assert read.history("lab1", 4, None).acts == (acts[1],)
    assert read.history(None, 9, 1e9 + 4).acts == tuple(acts[4:])


def test_the_table_has_no_control_characters() -> None:
    bad = "\x1b[2J\nx\u202e"
    act = Act(
        act=f"apply{bad}",
        topology=f"lab{bad}",
        outcome=f"refused{bad}",
        reason=f"It is{bad}. And more.",
        file=f"/{bad}",
        caller=Caller(0, None, bad),
    )
    lines = list(listing([act], str, full=True))
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
    assert str(row(act, str)).isprintable()
    assert list(listing([act], str, full=False))[1].endswith("x\\u202e")


@pytest.mark.parametrize(
    ("act", "who"),
    [
        (Act(act="apply", topology="l", caller=Caller(0, 1000, "alice")), "alice"),
        (Act(act="apply", topology="l", caller=Caller(0, 1000)), "user1000"),
        (Act(act="apply", topology="l", unit="netorch@l.service"), "netorch@l"),
        (Act(act="apply", topology="l", unit="session-3.scope"), "user0"),
        (Act(act="apply", topology="l", caller=Caller(0, 7), unit="ssh.service"), "user7"),
    ],
)
def test_the_table_names_the_person(act: Act, who: str) -> None:
    assert row(act, lambda number: f"user{number}")["user"] == who
