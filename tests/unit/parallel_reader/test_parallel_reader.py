"""The parallel reader: it shares the work. If its process fails, nothing is lost, and no process or
file descriptor remains.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from netorch.immutable import replace
from netorch.kernel.files import records, topology_files
from netorch.kernel.probe.probes import Sort
from netorch.parallel_reader import guess, messages
from netorch.parallel_reader.child import Child, Work
from netorch.parallel_reader.claims import Claims
from netorch.values.policy import BridgeEntry, KernelRoute, KernelRule, NeighbourEntry
from netorch.values.requests import Accept, Hop, RouteSpec, RuleSpec
from netorch.values.secret import Secret
from netorch.values.snapshot import (
    AddressRecord,
    DroppingChain,
    FilterListing,
    ForwardChain,
    ForwardSnapshot,
    LinkRecord,
    NeighbourRecord,
    NetnsSnapshot,
    Passage,
    QdiscRecord,
    Scope,
    UnreadableRules,
    WireguardRecord,
)

NAMES = [f"n{number}" for number in range(500)]


class Pair:
    """A child that needs `seconds` for each name, and its parent."""

    def __init__(self, seconds: float) -> None:
        self.claims = Claims()

        def work(order: bytes) -> Iterator[bytes]:
            for share in self.claims.from_the_front(NAMES):
                time.sleep(seconds * len(share))
                yield msgspec.json.encode((order.decode(), share))

        self.child = Child(lambda: work)

    def read(self, seconds: float) -> tuple[list[str], list[str]]:
        """Return the names that the child has read, and those that the parent has read."""
        mine = []
        for name in self.claims.from_the_back(NAMES):
            time.sleep(seconds)
            mine.append(name)
        return names_of(self.child), mine

    def close(self) -> None:
        self.child.close()
        self.claims.close()


def names_of(child: Child) -> list[str]:
    names: list[str] = []
    for answer in child.answers():
        order, share = msgspec.json.decode(answer)
        assert order == "go"
        names += share
    return names


def _children() -> set[str]:
    """Return the process IDs of the children of this process, also of dead ones."""
    return {
        pid
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
    }


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    before = sorted(os.listdir("/proc/self/fd")), _children()
    yield
    assert (sorted(os.listdir("/proc/self/fd")), _children()) == before


@pytest.mark.parametrize(
    ("child", "parent"),
    [(0.0002, 0.0002), (0.0, 0.001), (0.001, 0.0)],
    ids=["alike", "child quicker", "parent quicker"],
)
def test_they_meet(child: float, parent: float) -> None:
    with closing(Pair(child)) as pair:
        pair.child.begin(b"go")
        theirs, mine = pair.read(parent)
    assert theirs == NAMES[: len(theirs)] and mine == NAMES[: len(NAMES) - len(mine) - 1 : -1]
    assert set(theirs) | set(mine) == set(NAMES)
    # the processes may overlap by a few names, because neither waits for the other
    assert len(theirs) + len(mine) <= len(NAMES) + 9
    assert theirs or parent == 0.0


def test_a_child_with_a_head_start_reads_all() -> None:
    with closing(Pair(0.0)) as pair:
        pair.child.begin(b"go")
        pair.child.begin(b"once more")
        deadline = time.monotonic() + 10
        while pair.claims.front < len(NAMES) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert pair.read(0.0) == (NAMES, [])


def test_a_child_without_an_order_goes() -> None:
    child = Pair(0.0).child
    assert child.pid > 0
    child.close()
    child.close()
    assert child.pid < 0


def test_an_order_arrives_although_another_process_has_the_pipe() -> None:
    """The process that waits for a confirmation is forked before the order."""
    with closing(Pair(0.0)) as pair:
        os.set_inheritable(pair.child._order, True)
        with subprocess.Popen(["sleep", "60"], close_fds=False) as heir:
            pair.child.begin(b"go")
            theirs, mine = pair.read(0.0)
            heir.kill()
    assert set(theirs) | set(mine) == set(NAMES)


FIRST = msgspec.json.encode(("go", NAMES[:8]))


def fails(order: bytes) -> Iterator[bytes]:
    yield FIRST
    raise ValueError("the parent meets the same error")


def dies(order: bytes) -> Iterator[bytes]:
    yield FIRST
    os.kill(os.getpid(), signal.SIGKILL)


def cannot_be_sent(order: bytes) -> Iterator[bytes]:
    yield FIRST
    yield msgspec.json.encode(lambda: None)


def unready() -> Work:
    raise ImportError("not there")


@pytest.mark.parametrize(
    "prepare",
    [lambda: fails, lambda: dies, lambda: cannot_be_sent, unready],
    ids=["fails", "dies", "unsendable", "unready"],
)
def test_one_that_fails_is_done_without(
    prepare: Callable[[], Work], capfd: pytest.CaptureFixture[str]
) -> None:
    with closing(Child(prepare)) as child:
        child.begin(b"go")
        assert list(child.answers()) == []
    assert capfd.readouterr() == ("", "")


def test_half_an_answer_counts_as_far_as_it_goes() -> None:
    with closing(Pair(0.0)) as pair:
        child = pair.child
        child.begin(b"go")
        with open(child._answers, "rb", closefd=False) as stream:
            data = stream.read()
        for size in range(0, len(data), 97):
            reader, writer = os.pipe()
            os.write(writer, data[:size])
            os.close(writer)
            own, child._answers = child._answers, reader
            answers = list(child.answers())
            os.close(reader)
            child._answers = own
            assert [name for answer in answers for name in msgspec.json.decode(answer)[1]] == NAMES[
                : 8 * len(answers)
            ]
            assert size < 2000 or answers


# What the processes send each other

LINK = LinkRecord(
    2,
    "eth0",
    3,
    1500,
    b"\2\0\0\0\0\1",
    "veth",
    7,
    9,
    None,
    5,
    "netorch:a",
    1000,
    ("x", "y"),
    {1: b"\0"},
    {4: b"z"},
    "tbf",
)
ROUTE = RouteSpec(
    2,
    None,
    0,
    254,
    10,
    1,
    0,
    130,
    (Hop(b"\12\0\0\1", "eth0", 2, True), Hop(None, None)),
    b"\12\0\0\2",
    1400,
)
FULL = NetnsSnapshot(
    "n1",
    (4, 4026532000),
    (LINK,),
    (AddressRecord(2, 2, b"\12\0\0\2", b"\12\0\0\2", 24, 0, 128, 130),),
    (ROUTE,),
    (RuleSpec(2, 10, 1, 254, 130, (b"\12\0\0\0", 8), None, "eth0", None, (1, 0xFFFFFFFF)),),
    (True, None),
    {"net/ipv4/ip_forward": "1"},
    {"hosts": "# netorch\n127.0.0.1 é"},
    {"nft": "table ip x"},
    frozenset({("tcp", bytes(4), 80), ("udp", bytes(16), 53)}),
    ForwardSnapshot(
        (ForwardChain("nft", 4, True, (Accept("nft", 4, "a", ""),)),),
        (DroppingChain("ip", "t", "c", frozenset({"n"})),),
        frozenset({4, 6}),
        (UnreadableRules("nftables", "?"),),
    ),
    {2: QdiscRecord("tbf", b"\1")},
    (NeighbourRecord(2, 2, b"\12\0\0\3", b"\2\0\0\0\0\3", 130, ((8, b"\0"),)),),
    1 << 63,
    {},
    {3: {1: 6, 100: 0}},
    {3: [(b"\2\0\0\0\0\3", 100)]},
    Passage(
        (
            KernelRoute(
                *(getattr(ROUTE, name) for name in ROUTE.__struct_fields__), dead=frozenset({0})
            ),
        ),
        (KernelRule(2, 100, 1, 254, 3, sport=(1, 2), unknown=(26,)),),
        True,
        (NeighbourEntry(2, 2, b"\12\0\0\4", b"", 32),),
        (BridgeEntry(3, 4, b"\2\0\0\0\0\3", 10, True),),
        {"net/ipv4/ip_forward": "1"},
        filters={"nftables": FilterListing("table", "{}", {("ip", "filter", 7): ("-m tcp",)})},
    ),
)
PLAIN = NetnsSnapshot("n2", (4, 4026532001), (LINK,))


def _types(value: object) -> object:
    """Return the types of a value and of everything in it."""
    if isinstance(value, (str, bytes, int)) or value is None:
        return type(value)
    if isinstance(value, dict):
        return type(value), [(_types(key), _types(item)) for key, item in value.items()]
    if isinstance(value, (tuple, list)):
        return type(value), [_types(item) for item in value]
    if isinstance(value, frozenset):
        return type(value), {str(_types(item)) for item in value}
    return type(value), [_types(getattr(value, name)) for name in _fields(value)]


def _fields(value: object) -> Iterable[str]:
    fields: Iterable[str] | None = getattr(value, "__struct_fields__", None)
    return fields or value.__dataclass_fields__  # type: ignore[attr-defined,no-any-return]


def sent(read: Mapping[str, NetnsSnapshot | str]) -> dict[str, NetnsSnapshot | str]:
    return messages.ShareDecoder().decode(messages.ShareEncoder().encode(read))


def test_what_was_read_arrives_as_it_was() -> None:
    read = {"n1": FULL, "n2": PLAIN, "n3": "netorch:other", "n4": ""}
    arrived = sent(read)
    assert arrived == read
    for name, one in arrived.items():
        assert _types(one) == _types(read[name])
    one = arrived["n1"]
    assert isinstance(one, NetnsSnapshot)
    assert (
        hash(one.routes) == hash(FULL.routes)
        and hash(one.rules) == hash(FULL.rules)
        and one.passage == FULL.passage
    )


def test_a_namespace_that_cannot_be_sent_is_left_to_the_parent() -> None:
    keys = replace(PLAIN, wireguard={2: WireguardRecord(Secret(bytes(32)), 51820)})
    text = replace(PLAIN, files={"hosts": "\udcff"})
    read = {"keys": keys, "n2": PLAIN, "text": text, "n\udcff": PLAIN, "alias": "\udcff"}
    arrived = sent(read)
    assert arrived == {"n2": PLAIN}


def test_a_text_that_many_have_is_sent_once() -> None:
    encoder, decoder = messages.ShareEncoder(), messages.ShareDecoder()
    text, other = "127.0.0.1 a\n" * 1000, "127.0.0.1 b\n"
    parts: list[dict[str, NetnsSnapshot | str]] = [
        {
            "n1": replace(PLAIN, files={"hosts": text, "resolv.conf": ""}),
            "bad": replace(PLAIN, files={"hosts": "\udcff"}),
        },
        {"n2": replace(PLAIN, files={"hosts": text}), "n3": replace(PLAIN, files={"hosts": other})},
        {"n4": replace(PLAIN, files={"hosts": other})},
    ]
    data = [encoder.encode(part) for part in parts]
    assert sum(map(len, data)) < 2 * len(text)
    del parts[0]["bad"]
    assert [decoder.decode(part) for part in data] == parts


@pytest.mark.parametrize(
    "scope",
    [
        Scope("netorch:a"),
        Scope(
            "netorch:a",
            in_full=frozenset({"n1"}),
            attached=frozenset({"@x"}),
            sysctls={"n1": ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")},
            topology="a",
            filters=frozenset({"n2"}),
            forwards=frozenset({"host"}),
            neighbours=True,
            static_macs=True,
            passage=True,
            unmarked=True,
            numbers=True,
            brief=True,
            recorded_filters={"host": "iptables", "n2": ""},
            only=frozenset({"n3"}),
        ),
    ],
    ids=["least", "most"],
)
def test_a_scope_arrives_as_it_was(scope: Scope) -> None:
    arrived = messages.decode_scope(messages.encode_scope(scope))
    assert arrived == scope and _types(arrived) == _types(scope)


def test_what_is_not_a_share_is_an_error() -> None:
    for data in (
        b"",
        b"\x80",
        messages.encode_scope(Scope("netorch:a")),
        msgspec.msgpack.encode(Sort.SILENT.value),
    ):
        with pytest.raises(msgspec.MsgspecError):
            messages.ShareDecoder().decode(data)


# The guess at the topology of a command line

APPLIED = {
    "lab": ("/srv/topo.yaml", None),
    "other": ("/srv/other.yaml", None),
    "copy": ("/srv/other.yaml", "copy"),
    "one": ("/srv/same.yaml", None),
    "two": ("/srv/same.yaml", None),
}


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"command": "diff", "file": None}, "lab"),
        ({"command": "diff", "file": "other.yaml"}, "other"),
        ({"command": "apply", "file": "/srv/other.yaml", "name": "copy"}, "copy"),
        ({"command": "apply", "file": "/srv/other.yaml", "name": "fresh"}, None),
        ({"command": "diff", "file": "two"}, "two"),
        ({"command": "destroy", "target": "two"}, "two"),
        ({"command": "destroy", "target": "other.yaml"}, "other"),
        ({"command": "destroy", "target": None, "all": True}, None),
        ({"command": "diff", "file": "same.yaml"}, None),
        ({"command": "diff", "file": "elsewhere.yaml"}, None),
        ({"command": "diff", "file": "other.yaml", "new": "new.yaml"}, None),
        ({"command": "apply", "file": None, "plan": "saved"}, None),
    ],
)
def test_the_guess(
    options: dict[str, object], name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(name: str) -> tuple[records.Record, str]:
        source, override = APPLIED[name]
        return records.Record("", source, {}, override, 0.0, "0"), ""

    monkeypatch.setattr(records, "applied_names", lambda: sorted(APPLIED))
    monkeypatch.setattr(records, "read_record", read)
    monkeypatch.setattr(topology_files, "absolute", lambda path: str(Path("/srv") / path))
    assert guess.topology_of(Namespace(**options), "topo.yaml") == name


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"command": "diff", "file": "changed.yaml"}, "lab"),
        ({"command": "apply", "file": "changed.yaml", "name": "fresh"}, None),
        ({"command": "apply", "file": "foreign.yaml"}, None),
        ({"command": "apply", "file": "pipe"}, None),
        ({"command": "apply", "file": "absent.yaml"}, None),
        ({"command": "destroy", "target": "changed.yaml"}, None),
    ],
)
def test_another_file_is_of_the_only_topology_if_it_has_its_name(
    options: dict[str, object],
    name: str | None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    record = records.Record("", "/srv/topo.yaml", {}, None, 0.0, "0")
    names = ["lab"]
    monkeypatch.setattr(records, "applied_names", lambda: names)
    monkeypatch.setattr(records, "read_record", lambda _: (record, ""))
    monkeypatch.setattr(topology_files, "absolute", lambda path: str(tmp_path / path))
    (tmp_path / "changed.yaml").write_text("nodes: {}\nname: lab\n")
    (tmp_path / "foreign.yaml").write_text("name: other\n")
    os.mkfifo(tmp_path / "pipe")
    assert guess.topology_of(Namespace(**options), "topo.yaml") == name
    names.append("other")
    assert guess.topology_of(Namespace(**options), "topo.yaml") is None
