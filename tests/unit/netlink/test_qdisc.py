"""Tests of qdisc messages: encoded ones as pyroute2 reads them, dumps of Linux, and round trips."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from netorch.immutable import replace
from netorch.kinds.impair import Impair, bucket, frame_of
from netorch.language.impair_model import percentage
from netorch.language.impairment import Impairment
from netorch.netlink import constants as c
from netorch.netlink import decode
from netorch.netlink.codec import DecodeError, Message, headers
from netorch.netlink.encode import encode
from netorch.netlink.qdisc import (
    Netem,
    Tbf,
    burst_of,
    is_burst,
    netem_options,
    read_netem,
    read_tbf,
    tbf_options,
    ticks_of,
)
from netorch.values.requests import QdiscDel, QdiscSet
from netorch.values.snapshot import QdiscRecord

# Settings of tc(8) on Linux 6.1, dumped:
#   10  tbf rate 10mbit burst 5000 latency 50ms
#   11  tbf rate 40gbit burst 1mb limit 2mb peakrate 50gbit mtu 9000
#   12  netem delay 12345us 1ms 25% loss 0.1% corrupt 0.3% reorder 5% rate 100mbit
#   13  netem delay 10ms loss 1% duplicate 2% rate 40gbit limit 50
DUMPED = (
    "c-nixz`&rwz{J1^q^~nEfB`p{WNP>i1Rx;}plnG}8iNl|od!rHBSalY9)-=Iz;K3#fk6z&X94Qs0g?=#ShX18d{%~ry!"
    "H|hpB2bs0E=@nSTL{yX*LECm|;i&Brd_g%zzE(;1I_KPGIpT7no$k@TU%%KQ9OgqnNdZosmK13xrK?e@HN5`hyo@1Kb~"
    "6K-s+1lGI!vy9TH>Dv61~2*}oq=?Ciw+9AgZqIrNS8>Y=*fUvpYb_k%kp9jf(;5db|IpFat0`wmw4Ilt4Z0Hd#0$9QYV"
    "mmX|a47()t@_Bs@B(Osd8Z@XWt_IqaEaRk4;Kd~e&ld*Kn|C)XU_1z!e!a)BVch*SSak-$AB#?=#@?Y`rJwR"
)


class Numbers:
    """A resolver that knows one link."""

    def index_of(self, netns: str, name: str) -> int:
        assert (netns, name) == ("r1", "eth1")
        return 7

    def new_index(self, netns: str, name: str, used: bool = True) -> int:
        raise AssertionError

    nsid_of = fd_of = new_index  # type: ignore[assignment]


def messages() -> list[Message]:
    datagram = zlib.decompress(base64.b85decode(DUMPED))
    return [(kind, datagram, start, end) for kind, _, _, start, end in headers(datagram)]


def part(percent: str) -> int:
    return percentage(percent)


def sent(request: QdiscSet | QdiscDel) -> tcmsg:
    parsed = tcmsg(encode(request, 1, 0, Numbers()))
    parsed.decode()
    assert (parsed["index"], parsed["handle"], parsed["parent"]) == (7, 0, c.TC_H_ROOT)
    return parsed


def test_a_netem_is_sent_with_all_that_it_has() -> None:
    netem = Netem(
        12_345_000, 1_000_000, part("0.1%"), part("2%"), part("0.3%"), part("5%"), 12_500_000, 500
    )
    message = sent(QdiscSet("r1", "eth1", "netem", netem_options(netem)))
    assert message["header"]["type"] == c.RTM_NEWQDISC
    assert message["header"]["flags"] == c.NLM_F_REQUEST | c.NLM_F_CREATE | c.NLM_F_REPLACE
    assert message.get_attr("TCA_KIND") == "netem"
    options = message.get_attr("TCA_OPTIONS")
    assert (options["delay"], options["jitter"], options["limit"], options["gap"]) == (
        192_890,
        15_625,
        500,
        1,
    )
    assert (options["loss"], options["duplicate"]) == (4_294_967, 85_899_346)
    assert options.get_attr("TCA_NETEM_REORDER") == {"prob_reorder": 214_748_365, "corr_reorder": 0}
    assert options.get_attr("TCA_NETEM_CORRUPT") == {"prob_corrupt": 12_884_902, "corr_corrupt": 0}
    assert options.get_attr("TCA_NETEM_CORR") == {"delay_corr": 0, "loss_corr": 0, "dup_corr": 0}
    assert options.get_attr("TCA_NETEM_RATE")["rate"] == 12_500_000


def test_a_tbf_is_sent_with_its_burst() -> None:
    message = sent(QdiscSet("r1", "eth1", "tbf", tbf_options(1_250_000, 5000, 67_500)))
    assert message.get_attr("TCA_KIND") == "tbf"
    parms = message.get_attr("TCA_OPTIONS").get_attr("TCA_TBF_PARMS")
    assert (parms["rate"], parms["buffer"], parms["limit"], parms["peak"], parms["mtu"]) == (
        1_250_000,
        62_500,
        67_500,
        0,
        0,
    )
    # pyroute2 calls the link layer reserved; with it, the kernel needs no table of rates
    assert parms["rate___reserved"] == 1


def test_a_root_is_taken_away_whatever_it_is() -> None:
    message = sent(QdiscDel("r1", "eth1"))
    assert (message["header"]["type"], message["header"]["flags"]) == (
        c.RTM_DELQDISC,
        c.NLM_F_REQUEST,
    )


def test_a_dump_of_linux_is_read_exactly() -> None:
    records = decode.qdiscs(messages())
    assert {index: record.kind for index, record in records.items()} == {
        10: "tbf",
        11: "tbf",
        12: "netem",
        13: "netem",
    }
    assert read_tbf(records[10].options) == Tbf(1_250_000, 62_500, 67_500)
    assert burst_of(62_500, 1_250_000) == 5000
    # because tc(8) rounds to ticks, so that 12345us become a little less
    assert read_tbf(records[11].options) == Tbf(5_000_000_000, 3276, 2_097_152, "peakrate")
    assert read_netem(records[12].options) == Netem(
        12_344_960,
        1_000_000,
        part("0.1%"),
        0,
        part("0.3%"),
        part("5%"),
        12_500_000,
        1000,
        "correlation",
    )
    assert read_netem(records[13].options) == Netem(
        10_000_000, 0, part("1%"), part("2%"), 0, 0, 5_000_000_000, 50
    )


def test_defaults_other_kinds_and_qdiscs_below_a_root_are_passed_over() -> None:
    for change in ({"handle": 0}, {"parent": 0x10001}, {"attrs": [["TCA_KIND", "htb"]]}):
        request = tcmsg()
        request.update(
            {
                "index": 3,
                "handle": 0x10000,
                "parent": c.TC_H_ROOT,
                "attrs": [["TCA_KIND", "tbf"]],
                **change,
            }
        )
        request["header"]["type"] = c.RTM_NEWQDISC
        request.encode()
        data = bytes(request.data)
        assert decode.qdiscs([(c.RTM_NEWQDISC, data, 16, len(data))]) == {}
    with pytest.raises(DecodeError):
        decode.qdiscs([(c.RTM_NEWQDISC, bytes(19), 0, 19)])


chance = st.integers(0, 2**32 - 1)
netems = st.builds(
    Netem,
    delay=st.integers(0, 3600 * 10**9),
    jitter=st.integers(0, 2**31 - 1),
    loss=chance,
    duplicate=chance,
    corrupt=chance,
    reorder=chance,
    rate=st.integers(0, 10**12 // 8),
    limit=st.integers(1, 2**32 - 1),
)


@given(netems)
def test_netem_there_and_back(netem: Netem) -> None:
    assert read_netem(netem_options(netem)) == netem


@given(st.integers(1, 10**12 // 8), st.sampled_from([0, 68, 1280, 1500, 9000, 65535]))
def test_tbf_there_and_back(rate: int, mtu: int) -> None:
    burst, queue = bucket(rate, frame_of(mtu))
    assert read_tbf(tbf_options(rate, burst, queue)) == Tbf(
        rate, min(ticks_of(rate, burst), 2**32 - 1), queue
    )
    assert frame_of(mtu) <= burst <= queue < 2**32
    assert is_burst(ticks_of(rate, burst) % 2**32, rate, burst)


@given(st.binary(max_size=120))
def test_any_options_are_read_or_refused(payload: bytes) -> None:
    for read in (read_netem, read_tbf):
        try:
            read(payload)
        except DecodeError:
            continue


def test_different_bursts_are_distinguished() -> None:
    assert all(is_burst(buffer, 1_250_000, 5000) for buffer in (62_499, 62_500, 62_501))
    assert not is_burst(62_484, 1_250_000, 5000)


def test_what_is_read_is_what_was_asked_for() -> None:
    records = decode.qdiscs(messages())
    foreign = Impair.read("r1", "eth1", records[12], 1500)
    assert foreign.other == "correlation"
    assert foreign.attributes() == {
        **{
            "delay": "12.34496ms",
            "jitter": "1ms",
            "loss": "0.1%",
            "corrupt": "0.3%",
            "reorder": "5%",
            "rate": "100mbit",
        },
        "also": "correlation",
    }
    desired = Impair.of("r1", "eth1", foreign.impairment, 1500)
    assert desired.differs(foreign)
    # because netorch cannot restore settings that it has no word for
    assert not foreign.differs(desired) and not foreign.differs(foreign)
    exact = Impair.of("r1", "eth1", replace(foreign.impairment, delay=12_345_000), 1500)
    assert not exact.differs(desired) and not desired.differs(exact)
    assert replace(exact, impairment=replace(exact.impairment, delay=12_346_000)).differs(desired)
    other = Impair.read("r1", "eth1", records[13], 1500)
    assert other.impairment == Impairment(
        10_000_000, 0, part("1%"), part("2%"), rate=5_000_000_000, limit=50
    )
    assert not Impair.of("r1", "eth1", other.impairment, 1500).differs(other)
    assert Impair.read("r1", "eth1", records[10], 1500) == Impair.of(
        "r1", "eth1", Impairment(rate=1_250_000), 1500
    )
    by_hand = Impair.read(
        "r1", "eth1", QdiscRecord("tbf", tbf_options(1_250_000, 4000, 20_000)), 1500
    )
    assert by_hand.attributes() == {"rate": "10mbit", "burst": "4000", "queue": "20000"}
    assert Impair.of("r1", "eth1", by_hand.impairment, 1500).differs(by_hand)


def test_where_the_mtu_is_not_known_the_burst_is_ready_for_any() -> None:
    desired = Impair.of("r1", "eth1", Impairment(rate=125_000), 0)
    assert (desired.burst, desired.queue) == (2 * 65553, 12 * 65553)
    for mtu in (1500, 9000):
        assert Impair.read("r1", "eth1", QdiscRecord("tbf", desired.options()), mtu) == desired
