"""Tests of `impair`: its units, its errors, and which entry applies to which direction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from netorch.errors import FileError
from netorch.immutable import replace
from netorch.kinds.impair import Impair, impair_key
from netorch.language.impair_model import FASTEST, Delay, ImpairModel, Percentage, Rate, Size
from netorch.language.impairment import CERTAIN, Impairment, percent_text, rate_text, time_text
from netorch.netlink.qdisc import burst_of, ticks_of
from netorch.resolve.loader import load

DELAY, PERCENTAGE, RATE, SIZE = (TypeAdapter(form) for form in (Delay, Percentage, Rate, Size))


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("10ms", 10_000_000),
        ("2s", 2_000_000_000),
        ("500us", 500_000),
        ("1.5ms", 1_500_000),
        (".5s", 500_000_000),
        ("10 ms", 10_000_000),
        ("12345usecs", 12_345_000),
        ("7NS", 7),
        ("1sec", 10**9),
        (0, 0),
        ("0", 0),
        ("0.0ms", 0),
    ],
)
def test_times(text: object, nanoseconds: int) -> None:
    assert DELAY.validate_python(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (5000, 5000),
        ("5000", 5000),
        ("5000b", 5000),
        ("15k", 15360),
        ("15KB", 15360),
        ("1mb", 2**20),
        ("1.5m", 3 * 2**19),
        ("32kbit", 4096),
        ("1mbit", 2**17),
        ("3g", 3 * 2**30),
    ],
)
def test_sizes(text: object, size: int) -> None:
    assert SIZE.validate_python(text) == size


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("100mbit", 100_000_000),
        ("1gbit", 10**9),
        ("1.5Mbit", 1_500_000),
        ("64kbit", 64_000),
        ("8bit", 8),
        ("10kbps", 80_000),
        ("1mbps", 8_000_000),
        ("1MiBps", 8 * 2**20),
        ("1kibit", 1024),
        ("2Gibit", 2 * 2**30),
        ("100bps", 800),
        ("1tbit", 10**12),
    ],
)
def test_rates(text: object, bits: int) -> None:
    assert RATE.validate_python(text) == bits // 8


@pytest.mark.parametrize(
    ("text", "share"),
    [("100%", 1.0), ("0.1%", 0.001), ("50 %", 0.5), (0, 0.0), ("0%", 0.0), ("33.3%", 0.333)],
)
def test_percentages(text: object, share: float) -> None:
    assert PERCENTAGE.validate_python(text) == round(share * CERTAIN)


REFUSED = {
    "delay: 10": "10 has no unit: write 10ms, or 10us, which `tc` assumes",
    'delay: "10\\n"': "10 has no unit: write 10ms",
    "delay: 10min": "'10min' is not a time such as 10ms: the units are s, ms, us and ns",
    "delay: -1ms": "'-1ms' is not a time such as 10ms",
    "delay: 2000s": "",
    "delay: 3601s": "3601s is longer than an hour",
    "delay: [10ms]": "['10ms'] is not a time such as 10ms",
    "delay: true": "True is not a time such as 10ms",
    "{delay: 3s, jitter: 3s}": "3s is longer than 2.147 seconds, the limit of the kernel",
    "loss: 1": "1 has no unit: write 1%",
    "loss: 0.5": "0.5 has no unit: write 0.5%",
    "loss: 101%": "101% is more than 100%",
    "loss: 1ms": "'1ms' is not a percentage such as 0.1%",
    "rate: 0": (
        "a rate of 0 would stop all packets: for no limit, leave out `rate`; to drop all packets, "
        "write `loss: 100%`"
    ),
    "rate: 0mbit": "a rate of 0 would stop all packets",
    "rate: 1000": "1000 has no unit: write 1000mbit, or 1000bit, which `tc` assumes",
    "rate: 100M": (
        "'100M' is not a rate such as 100mbit: the units are bit, kbit, mbit, gbit and tbit, or "
        "kbps, mbps and so on for bytes per second"
    ),
    "rate: 10%": "'10%' is not a rate",
    "rate: 7bit": "7bit is not between 8bit and 1tbit",
    "rate: 2tbit": "2tbit is not between 8bit and 1tbit",
    "{rate: 1mbit, limit: 0}": "0 is not between 1 and 4294967295",
    "{rate: 1mbit, limit: 10kb}": "'10kb' is not a whole number",
    "latency: 10ms": "latency",
    "jitter: 2ms": (
        "`jitter` varies the delay, but there is no `delay`. Add for example `delay: 10ms`, or "
        "remove `jitter`."
    ),
    "reorder: 5%": "`reorder` lets packets overtake delayed ones, but there is no `delay`.",
    "{reorder: 5%, rate: 1mbit}": (
        "`reorder` lets packets overtake delayed ones, but there is no `delay`."
    ),
    "limit: 10": "`limit` limits the packets that wait, but without `delay` or `rate` none waits.",
    "{limit: 10, loss: 1%}": "`limit` limits the packets that wait",
}


def lab(impair: str, rest: str = "") -> str:
    words = impair if impair.startswith("{") else f"{{{impair}}}"
    return (
        "name: lab\nnodes: {a: {}, b: {}}\n"
        f"links:\n  - endpoints: ['a:x', 'b:y']\n    impair: {words}\n{rest}"
    )


@pytest.mark.parametrize("words", REFUSED)
def test_what_makes_no_sense_is_an_error_with_its_place(words: str) -> None:
    if not REFUSED[words]:
        load(lab(words).encode(), "lab.yaml")
        return
    with pytest.raises(FileError) as refused:
        load(lab(words).encode(), "lab.yaml")
    lines = refused.value.lines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("lab.yaml:5:") and REFUSED[words] in lines[0]


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(FileError) as refused:
        load(lab("{delay: 1, loss: 2, rate: 3}").encode(), "lab.yaml")
    assert len(refused.value.lines()) == 3


# from text to values and back


@given(st.integers(0, 3600 * 10**9))
def test_a_time_is_written_exactly(nanoseconds: int) -> None:
    assert DELAY.validate_python(time_text(nanoseconds)) == nanoseconds


@given(st.integers(1, FASTEST))
def test_a_rate_is_written_exactly(rate: int) -> None:
    assert RATE.validate_python(rate_text(rate)) == rate


@given(st.integers(0, CERTAIN))
def test_a_percentage_is_written_exactly(part: int) -> None:
    assert PERCENTAGE.validate_python(percent_text(part)) == part


def test_values_are_written_short() -> None:
    assert [time_text(n) for n in (10_000_000, 12_345_000, 1_500_000_000, 7)] == [
        "10ms",
        "12.345ms",
        "1.5s",
        "7ns",
    ]
    assert [rate_text(n) for n in (125_000, 187_500, 8_000, 1, FASTEST)] == [
        "1mbit",
        "1.5mbit",
        "64kbit",
        "8bit",
        "1tbit",
    ]
    assert [percent_text(round(CERTAIN * n)) for n in (0.001, 0.5, 1, 0.00001)] == [
        "0.1%",
        "50%",
        "100%",
        "0.001%",
    ]


@given(
    st.fixed_dictionaries(
        {},
        optional={
            **{key: st.integers(1, 10**9).map(time_text) for key in ("delay", "jitter")},
            **{
                key: st.integers(0, CERTAIN).map(percent_text)
                for key in ("loss", "duplicate", "corrupt", "reorder")
            },
            "rate": st.integers(1, FASTEST).map(rate_text),
            "limit": st.integers(1, 10**6),
        },
    )
)
def test_words_there_and_back(words: dict[str, object]) -> None:
    model = ImpairModel.model_validate(words)
    one = Impairment(**{key: getattr(model, key) for key in model.model_fields_set}).normal()
    again = ImpairModel.model_validate(dict(one.file_values()))
    assert (
        Impairment(**{key: getattr(again, key) for key in again.model_fields_set}).normal() == one
    )


def test_a_word_is_no_default() -> None:
    assert Impairment(limit=1000).normal() == Impairment()
    assert Impairment(rate=5, limit=1000).normal().qdisc == "netem"
    assert (Impairment(rate=5).qdisc, Impairment(rate=5, delay=1).qdisc) == ("tbf", "netem")
    with pytest.raises(ValidationError):
        ImpairModel.model_validate({"loss": "1 percent"})


# which entry applies to which direction


def impaired(text: str) -> dict[str, dict[str, str]]:
    """Return the impairment of each `NAMESPACE/IF` in the notation of the file."""
    state = load(text.encode(), "lab.yaml").desired.state
    return {
        f"{key.netns}/{key.name}": dict(resource.impairment.file_values())
        for key, resource in sorted(state.items())
        if isinstance(resource, Impair) and key == impair_key(resource.netns, resource.link)
    }


def test_a_link_says_it_for_both_directions_and_an_end_goes_over_it_key_by_key() -> None:
    both = {"delay": "10ms", "rate": "100mbit"}
    assert impaired(lab("{delay: 10ms, rate: 100mbit}")) == {"a/x": both, "b/y": both}
    text = """
name: lab
nodes: {a: {interfaces: {x: {impair: {loss: 3%}}}}, b: {}}
links:
  - endpoints:
      - {node: a, interface: x, impair: {loss: 2%, rate: 1mbit}}
      - {node: b, interface: y, impair: {delay: 0, jitter: 0}}
    impair: {delay: 10ms, jitter: 2ms, loss: 1%}
"""
    assert impaired(text) == {
        "a/x": {"delay": "10ms", "jitter": "2ms", "loss": "3%", "rate": "1mbit"},
        "b/y": {"loss": "1%"},
    }


def test_an_end_completes_what_its_link_says() -> None:
    text = lab("{jitter: 2ms}").replace(
        "'a:x', 'b:y'", "{node: a, interface: x, impair: {delay: 5ms}}, 'b:y'"
    )
    with pytest.raises(FileError) as refused:
        load(text.encode(), "lab.yaml")
    assert len(refused.value.lines()) == 1  # the error of the other end
    assert impaired(text.replace("'b:y'", "{node: b, interface: y, impair: {delay: 6ms}}"))[
        "b/y"
    ] == {"delay": "6ms", "jitter": "2ms"}


def test_a_membership_says_it_for_both_directions_and_an_interface_for_what_it_sends() -> None:
    text = """
name: lab
nodes:
  a: {networks: {lan: {impair: {delay: 10ms}}}}
  b:
    networks: {lan: {name: eth0, impair: {delay: 10ms}}}
    interfaces: {eth0: {impair: {delay: 20ms}}}
  c:
    networks: {lan: {name: eth0}}
    interfaces: {eth0: {impair: {rate: 1mbit}}, lo: {impair: {loss: 1%}}}
networks: {lan: {}}
"""
    assert impaired(text) == {
        **{"a/eth0": {"delay": "10ms"}, "netorch-lab/a-eth0": {"delay": "10ms"}},
        **{"b/eth0": {"delay": "20ms"}, "netorch-lab/b-eth0": {"delay": "10ms"}},
        **{"c/eth0": {"rate": "1mbit"}, "c/lo": {"loss": "1%"}},
    }


def test_a_default_is_for_every_interface_but_lo_and_those_of_a_network_itself() -> None:
    text = lab("{delay: 10ms}", "defaults: {interface: {impair: {rate: 1mbit, delay: 1ms}}}\n")
    text = text.replace(
        "b: {}}", "b: {networks: [lan], interfaces: {lo: {}}}}\nnetworks: {lan: {}}"
    )
    both = {"delay": "10ms", "rate": "1mbit"}
    assert impaired(text) == {"a/x": both, "b/y": both, "b/eth0": {"delay": "1ms", "rate": "1mbit"}}


def test_nothing_wrong_is_no_qdisc() -> None:
    assert impaired(lab("{loss: 0%, delay: 0ms}")) == {} == impaired(lab("{}"))


def test_an_interface_of_others_is_not_impaired() -> None:
    for text in (
        "nodes: {host: {interfaces: {eth9: {impair: {loss: 1%}}}}}",
        "nodes: {host: {interfaces: {lo: {impair: {loss: 1%}}}}}",
    ):
        with pytest.raises(FileError, match=r"cannot (set|have) `impair`"):
            load(f"name: lab\n{text}".encode(), "lab.yaml")


def test_what_waits_needs_a_queue() -> None:
    with pytest.raises(FileError, match="a:x has `txqueuelen: 0`, so it has no queue"):
        load(
            lab("{rate: 1mbit}")
            .replace("'a:x'", "{node: a, interface: x, txqueuelen: 0}")
            .encode(),
            "lab.yaml",
        )


def test_the_burst_of_a_rate_follows_the_mtu() -> None:
    def burst(mtu: str) -> tuple[int | None, int | None]:
        text = lab("{rate: 1mbit}").replace("links:\n  - ", f"links:\n  - {mtu}")
        impair = load(text.encode(), "lab.yaml").desired.state[impair_key("a", "x")]
        assert isinstance(impair, Impair)
        return impair.burst, impair.queue

    assert burst("") == (3036, 18216)
    assert burst("mtu: 9000\n    ") == (18036, 108216)


@pytest.mark.parametrize(
    ("words", "burst", "queue"),
    [
        ("burst: 32kbit, latency: 400ms", 4096, 4096 + 50_000),
        ("burst: 5000", 5000, 5000 + 10 * 1518),
        ("latency: 1s", 3036, 3036 + 125_000),
        ("latency: 1ms", 3036, 3036 + 125),
    ],
)
def test_a_burst_and_a_latency(words: str, burst: int, queue: int) -> None:
    resource = impair_of(f"rate: 1mbit, {words}")
    assert (resource.impairment, resource.burst, resource.queue) == (
        Impairment(rate=125_000),
        burst,
        queue,
    )
    values = resource.file_values(1500)
    again = impair_of(", ".join(f"{key}: {value}" for key, value in values.items()))
    assert again == resource


def test_the_usual_burst_and_latency_are_not_written() -> None:
    assert impair_of("rate: 1mbit").file_values(1500) == {"rate": "1mbit"}


@pytest.mark.parametrize(("rate", "bucket"), [("64kbit", 5000), ("40gbit", 2**20), ("1gbit", 1600)])
def test_a_burst_that_comes_back_inexact_is_the_same(rate: str, bucket: int) -> None:
    resource = impair_of(f"rate: {rate}, burst: {bucket}")
    bytes_a_second = resource.impairment.rate
    for ticks in (0, 1):
        there = burst_of(ticks_of(bytes_a_second, bucket) - ticks, bytes_a_second)
        assert not resource.differs(replace(resource, burst=there))
    assert resource.differs(replace(resource, burst=2 * bucket))


def impair_of(words: str) -> Impair:
    text = f"nodes: {{a: {{interfaces: {{d: {{kind: dummy, impair: {{{words}}}}}}}}}}}"
    resource = load(text.encode(), "lab.yaml").desired.state[impair_key("a", "d")]
    assert isinstance(resource, Impair)
    return resource


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("burst: 5000", "there is none"),
        ("latency: 1s", "there is none"),
        ("rate: 1mbit, delay: 1ms, burst: 5000", "for a `rate` alone"),
        ("rate: 1mbit, limit: 5, latency: 1s", "for a `rate` alone"),
        ("rate: 1mbit, burst: 1000", "smaller than a full packet of a:d (1518 bytes"),
        ("rate: 8bit, burst: 5000", "takes more than 274 seconds"),
        ("rate: 100gbit, latency: 10s", "4 GB or more would wait"),
        ("rate: 1mbit, burst: 5x", "is not a size"),
        ("rate: 1mbit, burst: 0", "is not between"),
        ("rate: 1mbit, burst: 5g", "is not between"),
        ("rate: 1mbit, latency: 5", "has no unit"),
    ],
)
def test_a_burst_or_latency_that_cannot_work(words: str, what: str) -> None:
    with pytest.raises(FileError) as error:
        impair_of(words)
    assert what in str(error.value)
