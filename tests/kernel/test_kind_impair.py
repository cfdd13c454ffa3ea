"""Test impairments: qdiscs as `tc` lists them, changes in place, and the effect on traffic.

The bounds of times and rates are generous, because a busy machine may be slow. It is never faster
than a shaper allows.
"""

from __future__ import annotations

import json
import time

import pytest
import yaml

from tests.kernel.host import Host, diff_snapshots, sentences
from tests.kernel.kindcase import Damage, Edit, KindCase, assert_in_sync, check_kind, require
from tests.kernel.traffic import mbit, round_trip

CABLE = """
name: lab
nodes: {a: {}, b: {}}
links:
  - {endpoints: ["a:x", {node: b, interface: y, $WORDS}], subnet: 10.0.0.0/30}
"""

TBF = KindCase(
    CABLE,
    "impair: {rate: 10mbit}",
    ("tbf",),
    sees=(
        ("ip netns exec b tc qdisc show dev y", "tbf"),
        ("ip netns exec b tc qdisc show dev y", "rate 10Mbit burst 5000b lat 50ms"),
        ("ip netns exec a tc qdisc show dev x", "noqueue"),
    ),
    edits=(
        Edit("impair: {rate: 20mbit}", "~ impair b/y  rate 10mbit → 20mbit  [update]"),
        Edit("impair: {rate: 1gbit}", "~ impair b/y  rate 20mbit → 1gbit  [update]"),
        Edit(
            "impair: {rate: 40gbit}, mtu: 9000",
            "~ impair b/y  rate 1gbit → 40gbit  [update]",
            ("~ veth b/y  mtu 1500 → 9000",),
        ),
        Edit(
            "impair: {rate: 40gbit, burst: 1mb, latency: 5ms}, mtu: 9000",
            "~ impair b/y  burst … [update]",
        ),
        Edit(
            "impair: {rate: 1mbit, burst: 32kbit, latency: 400ms}",
            "~ impair b/y  rate 40gbit → 1mbit … [update]",
        ),
        Edit("impair: {rate: 64kbit}", "~ impair b/y  rate 1mbit → 64kbit … [update]"),
        Edit(
            "mtu: 1400",
            "~ impair b/y  rate 64kbit → none … [update]",
            ("~ veth b/y  mtu 1500 → 1400",),
        ),
    ),
    damages=(
        Damage(
            "ip netns exec b tc qdisc change dev y root tbf rate 20mbit burst 5000 latency 50ms",
            "~ impair b/y  rate 20mbit → 10mbit",
        ),
        Damage(
            "ip netns exec b tc qdisc change dev y root tbf rate 10mbit burst 9000 latency 50ms",
            "~ impair b/y  burst 9000 → 5000",
        ),
        Damage(
            "ip netns exec b tc qdisc change dev y root tbf rate 10mbit burst 5000 latency 50ms peakrate 20mbit mtu 2000",
            "~ impair b/y … also peakrate → none  [update]",
        ),
        Damage(
            "ip netns exec b tc qdisc del dev y root", "~ impair b/y  rate none → 10mbit  [update]"
        ),
        Damage(
            "ip netns exec b tc qdisc replace dev y root htb",
            "~ impair b/y  rate none → 10mbit  [update]",
        ),
        Damage(
            "ip netns exec a tc qdisc add dev x root tbf rate 1mbit burst 5000 latency 9ms",
            "~ impair a/x  rate 1mbit → none … [update]",
        ),
        Damage("ip -n a link del x", "+ veth b/y … rate 10mbit"),
    ),
)

NETEM = KindCase(
    CABLE,
    "impair: {delay: 10ms, jitter: 2ms, loss: 0.1%, duplicate: 2%, corrupt: 0.3%, reorder: 5%, "
    "rate: 100mbit, limit: 500}",
    ("netem",),
    sees=(
        (
            "ip netns exec b tc qdisc show dev y",
            "limit 500 delay 10ms  2ms loss 0.1% duplicate 2% reorder 5% corrupt 0.3% rate 100Mbit gap 1",
        ),
    ),
    edits=(
        Edit(
            "impair: {delay: 12345us, loss: 100%, rate: 40gbit}",
            "~ impair b/y  delay 10ms → 12.345ms  loss 0.1% → 100%  rate 100mbit → 40gbit  "
            "jitter 2ms → none … [update]",
        ),
        Edit("impair: {rate: 10mbit}", "~ impair b/y  rate 40gbit → 10mbit … [update]"),
        Edit("impair: {rate: 10mbit, limit: 50}", "~ impair b/y  limit none → 50  [update]"),
    ),
    damages=(
        Damage(
            "ip netns exec b tc qdisc change dev y root netem delay 300ms",
            "~ impair b/y  delay 300ms → 10ms",
        ),
        Damage(
            "ip netns exec b tc qdisc change dev y root netem delay 10ms 2ms 25% loss gemodel 1% 10% slot 5ms 9ms ecn",
            "~ impair b/y … loss model, ecn, slots → none  [update]",
        ),
    ),
)


def test_a_rate_alone(host: Host) -> None:
    check_kind(host, TBF)


@pytest.mark.uml
def test_every_impairment(host: Host) -> None:
    check_kind(host, NETEM)


def test_a_kernel_without_netem_is_an_error_before_anything_changes(host: Host) -> None:
    if (
        host.run(
            "unshare", "-n", "tc", "qdisc", "add", "dev", "lo", "root", "netem", check=False
        ).returncode
        == 0
    ):
        pytest.skip("this kernel has netem, unlike that of the first test run")
    before = host.snapshot()
    file = host.write("lab.yaml", CABLE.replace("$WORDS", "impair: {delay: 10ms}"))
    for command in ("diff", "apply"):
        done = host.netorch(command, file, check=False)
        assert (done.returncode, sentences(done.stderr)) == (
            1,
            [
                f"{file}:5:49: this kernel has no netem qdisc: impair b/y cannot be made. "
                "Load the module (`modprobe sch_netem`), "
                "or use a kernel built with CONFIG_NET_SCH_NETEM."
            ],
        )
    assert diff_snapshots(before, host.snapshot()) == []


PLACES = """
name: lab
nodes:
  host: {interfaces: {br: {kind: bridge, impair: {rate: 3mbit}}}}
  a: {networks: {lan: {impair: {rate: 1mbit}}, guests: {impair: {rate: 2mbit}}}, interfaces: {lo: {impair: {rate: 1gbit}}}}
  b: {networks: [lan, guests]}
networks:
  lan: {}
  guests: {node: host}
links:
  - {endpoints: ["host:far-away-of-a-long-name", "b:near"], impair: {rate: 4mbit}}
"""


def rates(host: Host) -> dict[str, str]:
    """Return `NAMESPACE/INTERFACE` → rate of every interface with a tbf qdisc."""
    limits: dict[str, str] = {}
    for netns in ("", *sorted(path.name for path in (host.root / "run/netns").iterdir())):
        where = ("ip", "netns", "exec", netns) if netns else ()
        for qdisc in json.loads(host.run(*where, "tc", "-j", "qdisc", "show").stdout):
            if qdisc["kind"] == "tbf":
                assert qdisc["root"]
                limits[f"{netns}/{qdisc['dev']}"] = f"{qdisc['options']['rate'] * 8 // 10**6}mbit"
    return limits


def test_every_place_in_a_file_that_can_have_an_impairment(host: Host) -> None:
    require(host, "tbf")
    before = host.snapshot()
    text = PLACES.replace("far-away-of-a-long-name", "far")
    file = host.write("lab.yaml", text)
    host.netorch("apply", file)
    expected = {
        **{"a/eth0": "1mbit", "netorch-lab/a-eth0": "1mbit", "a/eth1": "2mbit", "/a-eth1": "2mbit"},
        **{"a/lo": "1000mbit", "/br": "3mbit", "/far": "4mbit", "b/near": "4mbit"},
    }
    assert rates(host) == expected
    assert_in_sync(host)
    tree = host.netorch("show").stdout
    assert (
        "eth0  veth, up, peer netorch-lab:a-eth0, mtu 1500, rate 1mbit, burst 3036, queue 18216\n"
        in tree
    )
    assert tree.count("rate 4mbit") == 2
    again = host.write("again.yaml", host.netorch("show", "-o", "yaml").stdout)
    assert yaml.safe_load(again.read_text())["nodes"]["a"]["networks"]["lan"]["impair"] == {
        "rate": "1mbit"
    }
    assert host.netorch("diff", again).stdout == "lab: in sync\n"
    # A link keeps its rate when it goes down and up. A cable that is made again gets the rate, too.
    # A rate that the file no longer has is removed.
    host.run("sh", "-ec", "ip -n b link set near down; ip -n b link set near up; ip link del far")
    host.netorch("apply", file)
    assert rates(host) == expected
    index = host.ip("-n", "a", "link", "show", "eth0")[0]["ifindex"]
    file.write_text(
        text.replace(", impair: {rate: 4mbit}", "").replace(
            "{lan: {impair: {rate: 1mbit}}, ", "{lan: {}, "
        )
    )
    host.netorch("apply", file)
    assert rates(host) == {
        key: rate for key, rate in expected.items() if rate in {"2mbit", "3mbit", "1000mbit"}
    }
    assert host.ip("-n", "a", "link", "show", "eth0")[0]["ifindex"] == index
    assert_in_sync(host)
    host.netorch("destroy", "lab")
    assert diff_snapshots(before, host.snapshot()) == []


def test_a_failed_apply_puts_the_rate_back(host: Host) -> None:
    require(host, "tbf")
    file = host.write("lab.yaml", CABLE.replace("$WORDS", "impair: {rate: 10mbit}"))
    host.netorch("apply", file)
    words = "impair: {rate: 20mbit}, sysctls: {rp_filter: 7777777777}"
    bad = host.write("bad.yaml", CABLE.replace("$WORDS", words))
    assert host.netorch("apply", bad, check=False).returncode == 1
    assert rates(host) == {"b/y": "10mbit"}
    host.netorch("destroy", "lab")


# Traffic


def test_a_rate_holds_in_its_own_direction_only(host: Host) -> None:
    require(host, "tbf")
    host.netorch("apply", host.write("lab.yaml", CABLE.replace("$WORDS", "impair: {rate: 10mbit}")))
    assert 4 < mbit(host, "b", "a", "10.0.0.1") < 12
    assert mbit(host, "a", "b", "10.0.0.2") > 20


@pytest.mark.parametrize(
    ("rate", "mtu", "least", "most"),
    [("1mbit", 1500, 0.4, 1.3), ("200mbit", 9000, 40, 220), ("4mbit", 65535, 1, 6)],
)
def test_bursts_fit_rate_and_mtu(
    host: Host, rate: str, mtu: int, least: float, most: float
) -> None:
    require(host, "tbf")
    host.netorch(
        "apply",
        host.write("lab.yaml", CABLE.replace("$WORDS", f"mtu: {mtu}, impair: {{rate: {rate}}}")),
    )
    assert least < mbit(host, "b", "a", "10.0.0.1") < most


@pytest.mark.uml
def test_delay_loss_and_rate_have_an_effect_until_they_are_removed(host: Host) -> None:
    require(host, "netem")
    file = host.write("lab.yaml", CABLE.replace("$WORDS", "impair: {delay: 100ms}"))
    host.netorch("apply", file)
    assert 100 <= round_trip(host, "a", "10.0.0.2") < 300
    index = host.ip("-n", "b", "link", "show", "y")[0]["ifindex"]
    file.write_text(
        CABLE.replace("$WORDS", "impair: {delay: 50ms, rate: 4mbit}").replace(
            "subnet", "impair: {delay: 30ms}, subnet"
        )
    )
    host.netorch("apply", file)
    assert 80 <= round_trip(host, "a", "10.0.0.2") < 280
    assert 1 < mbit(host, "b", "a", "10.0.0.1") < 5
    file.write_text(CABLE.replace("$WORDS", "impair: {loss: 100%}"))
    host.netorch("apply", file)
    assert not host.ping("a", "10.0.0.2")
    file.write_text(CABLE.replace("$WORDS", "impair: {}"))
    host.netorch("apply", file)
    started = time.monotonic()
    assert host.ping("a", "10.0.0.2")
    assert time.monotonic() - started < 10 and round_trip(host, "a", "10.0.0.2") < 50
    assert host.ip("-n", "b", "link", "show", "y")[0]["ifindex"] == index
