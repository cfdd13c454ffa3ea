"""Probes of large networks: their order, and which of them are tried again."""

from __future__ import annotations

import errno
from ipaddress import ip_address

import pytest

from netorch.kernel.probe import run
from netorch.kernel.probe.event_loop import WINDOW
from netorch.kernel.probe.probes import NeighbourTrace, Probe, Reply, Sort


def trace(asker: int, owner: int) -> NeighbourTrace:
    return NeighbourTrace(f"h{asker}", "eth0", ip_address(f"10.0.{owner // 256}.{owner % 256}"))


def probe(source: int, target: int) -> Probe:
    there, back = trace(source, target), trace(target, source)
    return Probe(f"h{source}", there.address, traces=(there, back))


def everybody(size: int) -> list[Probe]:
    return [
        probe(source, target)
        for one in range(size)
        for other in range(one + 1, size)
        for source, target in ((one, other), (other, one))
    ]


def test_the_order_has_all_probes_and_few_nodes_at_a_time() -> None:
    plain = Probe("a", ip_address("10.9.9.9"))
    probes = [*everybody(40), plain]
    order = run.in_tiles(probes)
    assert sorted(order) == list(range(len(probes)))
    assert probes[order[0]] == plain, "probes without entries keep their place before the others"
    # the ways there and back follow each other, because they use the same entries
    pairs = [frozenset(probes[number].traces) for number in order[1:]]
    assert pairs[::2] == pairs[1::2]
    for first in range(1, len(order), 64):
        nodes = {probes[number].netns for number in order[first : first + 64]}
        assert len(nodes) <= 4 * run.TILE


def test_a_sample_has_each_node_and_fits_in_the_table() -> None:
    probes = everybody(60)
    first, rest = run.sample(probes, range(len(probes)))
    assert sorted(first + rest) == list(range(len(probes)))
    assert {probes[number].netns for number in first} == {f"h{number}" for number in range(60)}
    for batch in run.batches(probes, [*first, *rest]):
        assert len({entry for number in batch for entry in probes[number].traces}) <= run.TOGETHER
    assert run.sample(probes, []) == ([], [])
    few = list(range(100))
    assert run.sample(probes, few)[1] == []


def test_an_answer_that_is_tried_again_takes_its_way_back_along() -> None:
    probes = everybody(5)
    number = probes.index(probe(1, 3))
    assert {probes[other].netns for other in run.with_way_back(probes, {number})} == {"h1", "h3"}
    assert run.with_way_back(probes, set()) == []


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(Sort.SILENT), True),
        (Reply(Sort.UNREACHABLE), True),
        (Reply(Sort.UNSENT, errno=errno.ENOBUFS), True),
        (Reply(Sort.UNSENT, errno=errno.EMFILE), False),
        (Reply(Sort.ANSWERED), False),
        (Reply(Sort.REFUSED), False),
        (Reply(Sort.STOPPED, errno=errno.EINVAL), True),
        (Reply(Sort.STOPPED, errno=errno.ENETUNREACH), False),
        (Reply(Sort.NOT_NEEDED), False),
    ],
)
def test_what_is_tried_again(reply: Reply, expected: bool) -> None:
    assert run.is_open(probe(1, 2), reply) is expected
    assert not run.is_open(Probe("a", ip_address("10.9.9.9")), reply)


def test_a_chunk_has_all_probes_of_its_nodes() -> None:
    probes = everybody(10)
    order = run.in_tiles(probes)
    chunks = list(run.chunks(probes, order, 4))
    assert [len({probes[number].netns for number in chunk}) for chunk in chunks] == [4, 4, 2]
    assert sorted(number for chunk in chunks for number in chunk) == sorted(order)
    assert WINDOW <= run.TOGETHER
