"""`netorch watch`: what drifts is reported once and soon, and nothing else is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time

import pytest

from tests.kernel.host import Host
from tests.kernel.test_drift import DRIFTS, FILE
from tests.kernel.watching import EAGER, Event, watching
from tests.kernel.watching import titles as titles_of

PAIR = """\
name: lab
nodes:
  r1:
    interfaces: {eth0: {addresses: [10.0.0.1/24]}}
    routes: [{to: 10.9.0.0/16, via: 10.0.0.2}]
  r2: {interfaces: {eth0: {addresses: [10.0.0.2/24]}}}
links: [[r1:eth0, r2:eth0]]
"""
QUIET = 1.0
"""Seconds in which something would have been reported."""


def live(host: Host, text: str = PAIR) -> None:
    host.write("topo.yaml", text)
    host.netorch("apply", "-q")


def sh(host: Host, script: str) -> str:
    return host.run("sh", "-ec", script).stdout


def test_everything_that_diff_reports_is_reported_and_put_right(host: Host) -> None:
    live(host, FILE)
    with watching(host, "--reconcile", "--interval", "1", program=EAGER) as watch:
        watch.event(event="watch")
        for what, case in DRIFTS.items():
            since = len(watch.events)
            sh(host, case.does)
            titles = {line[2:].split("  ")[0] for line in case.reported}

            def is_over(events: list[Event], titles: set[str] = titles) -> bool:
                return titles <= titles_of(events) and events[-1]["event"] == "in-sync"

            events = watch.until(is_over, since)
            drifts = [event for event in events if event["event"] == "drift"]
            assert not [event for event in events if event["event"] == "failed"], what
            places = [(one["object"], one["attribute"], one["after"]) for one in drifts]
            assert len(set(places)) == len(places), (what, places)
        watch.no_more(QUIET, len(watch.events))
        assert watch.end() == 0
    assert host.netorch("diff").stdout == "lab: in sync\n"


def test_a_drift_is_reported_once_with_its_values_and_who_made_it(host: Host) -> None:
    live(host)
    with watching(host) as watch:
        watch.event(event="watch", topology="lab")
        sh(host, "ip -n r1 link set eth0 mtu 1400")
        first = watch.event(event="drift", object="veth r1/eth0")
        assert (first["attribute"], first["before"], first["after"]) == ("mtu", "1500", "1400")
        assert first["text"] == "mtu changed from 1500 to 1400"
        sh(host, "ip -n r1 link set eth0 mtu 1300")
        second = watch.event(event="drift", after="1300")
        assert second["before"] == "1400"
        sh(host, "ip -n r1 link set eth0 mtu 1500")
        end = watch.event(event="restored", object="veth r1/eth0")
        assert (end["before"], end["after"]) == ("1300", "1500")
        since = len(watch.until(lambda events: events[-1]["event"] == "in-sync"))
        # what belongs to others is not drift
        foreign = "ip -n r1 link add x type bridge; ip -n r1 route add 10.77.0.0/16 dev eth0"
        sh(host, f"{foreign} proto bird")
        watch.no_more(QUIET, since)
        sh(host, "ip -n r1 route del 10.9.0.0/16")
        missing = watch.event(event="drift", kind="route", change="missing")
        assert missing["who"]["pid"] and missing["who"]["command"] in ("ip", None)
        since = len(watch.events)
        host.netorch("apply", "-q")
        events = watch.until(lambda events: events[-1:] and events[-1]["event"] == "in-sync", since)
        assert [event["event"] for event in events] == ["applied", "restored", "in-sync"]
        assert events[0]["who"]["command"] == "netorch"
        assert host.netorch("diff").stdout == "lab: in sync\n"


def test_a_namespace_can_end_while_it_is_watched(host: Host) -> None:
    live(host)
    with watching(host) as watch:
        watch.event(event="watch")
        sh(host, "ip netns del r1")
        gone = watch.event(event="drift", object="netns r1", change="missing")
        assert "address r1/eth0 10.0.0.1/24" in gone["consequences"]
        # the other end of the cable goes with it, because nothing keeps the namespace alive
        deadline = time.monotonic() + 30
        while "eth0" in host.links("-n", "r2"):
            assert time.monotonic() < deadline, "the watch keeps the namespace alive"
            time.sleep(0.1)
        since = len(watch.events)
        host.netorch("apply", "-q")
        watch.event(since, event="in-sync")
        sh(host, "ip -n r1 link set eth0 mtu 1400")
        watch.event(since, event="drift", object="veth r1/eth0")
        since = len(watch.events)
        host.netorch("destroy", "lab", "-q")
        assert watch.event(since, event="destroyed")["who"]["command"] == "netorch"
        live(host)
        watch.event(since, event="watch")
        host.write("other.yaml", "name: other\nnodes: {o1: {}}\n")
        host.netorch("apply", "-q", "other.yaml")
        watch.event(since, event="watch", topology="other")
        sh(host, "ip -n o1 link set lo down")
        watch.event(since, event="drift", topology="other")


def test_an_attached_namespace_can_end_while_it_is_watched(host: Host) -> None:
    holder = host.start("unshare", "--net", "sh", "-c", "echo $$; exec sleep 1000")
    assert holder.stdout is not None
    pid = holder.stdout.readline().strip()
    live(
        host,
        f"name: lab\nnodes: {{r1: {{}}, guest: {{attach: 'pid:{pid}'}}}}\n"
        "links: [{endpoints: [r1:eth0, guest:eth0], subnet: 10.0.0.0/30}]\n",
    )
    with watching(host, "--interval", "600") as watch:
        watch.event(event="watch")
        sh(host, f"nsenter --net --target {pid} ip link set eth0 mtu 1400")
        watch.event(event="drift", object="veth guest/eth0")
        sh(host, f"kill -9 {pid}")
        assert f"no process {pid}" in watch.event(event="failed")["text"]
        deadline = time.monotonic() + 30
        while "eth0" in host.links("-n", "r1"):
            assert time.monotonic() < deadline, "the watch keeps the namespace alive"
            time.sleep(0.1)
    holder.communicate()


def test_nothing_is_reported_while_another_netorch_works(host: Host) -> None:
    live(host)
    with watching(host) as watch:
        watch.event(event="watch")
        holder = host.start("flock", "/run/netorch/lab.lock", "sh", "-c", "echo; read line")
        assert holder.stdout is not None
        holder.stdout.readline()
        sh(host, "ip -n r1 link set eth0 mtu 1400")
        watch.no_more(QUIET, 1)
        holder.communicate("\n")
        watch.event(event="drift", after="1400")
        since = len(watch.events)
        host.write("topo.yaml", PAIR.replace("10.9.0.0", "10.8.0.0"))
        host.netorch("apply", "-q", "--confirm-within", "60")
        watch.no_more(QUIET, since)
        host.netorch("confirm")
        watch.event(since, event="in-sync")
        assert watch.events[since]["event"] == "applied"


def test_lost_notifications_and_a_suspended_watch(host: Host) -> None:
    tiny = (
        "import sys\nfrom functools import partial\nimport netorch.cli.watch_report as report\n"
        "from netorch.cli import main\nreport.Options = partial(report.Options, buffer=1)\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    live(host)
    burst = (
        "for i in $(seq 250); do echo route add 10.100.$i.0/24 via 10.0.0.2;"
        " echo route del 10.100.$i.0/24; done | ip -n r1 -b -; "
    )
    with watching(host, program=tiny) as watch:
        watch.event(event="watch")
        sh(host, burst + "ip -n r1 link set eth0 mtu 1400")
        watch.event(event="drift", after="1400")
        watch.process.signal(signal.SIGSTOP)
        sh(host, burst * 4 + "ip -n r1 link set eth0 mtu 1350; ip -n r2 addr flush eth0")
        watch.resume()
        watch.event(event="drift", after="1350")
        watch.event(event="drift", object="address r2/eth0 10.0.0.2/24")
        assert "were lost" in watch.event(event="note")["text"]
        # a route of the burst that existed while netorch compared is another matter
        drifts = [
            one
            for one in watch.events
            if one["event"] == "drift" and "10.100." not in one["object"]
        ]
        assert len(drifts) == 3, drifts


@pytest.mark.skipif(shutil.which("nft") is None, reason="needs nft")
def test_packet_filters(host: Host) -> None:
    live(
        host,
        "name: lab\nnodes: {a: {networks: [lan]}, r: {}}\n"
        "networks: {lan: {mode: nat, subnet: 10.5.0.0/24, node: r}}\nbackend: {nat: nftables}\n",
    )
    nft = "ip netns exec r nft"
    with watching(host) as watch:
        watch.event(event="watch")
        table = sh(host, f"{nft} list tables").splitlines()[0].removeprefix("table ")
        listing = sh(host, f"{nft} list table {table}").splitlines()
        chain = next(line.split()[1] for line in listing if "chain" in line)
        sh(host, f"{nft} insert rule {table} {chain} counter drop")
        rule = watch.event(event="drift", kind="filter")
        assert rule["who"]["command"] == "nft"
        assert rule["extra_lines"]
        since = len(watch.events)
        sh(host, f"{nft} delete table {table}")
        assert watch.event(since, event="drift", kind="filter")["change"] == "missing"
        host.netorch("apply", "-q")
        watch.event(since, event="in-sync")


def test_what_is_done_on_purpose_is_not_drift(host: Host) -> None:
    live(host)
    with watching(host, "--reconcile") as watch:
        watch.event(event="watch")
        host.netorch("link", "r1:eth0", "down")
        assert watch.event(event="intended")["object"] == "r1/eth0"
        host.netorch("link", "r1:eth0", "up")
        watch.event(event="restored", object="r1/eth0")
        assert {one["event"] for one in watch.events} == {"watch", "intended", "restored"}


def test_reconcile_gives_up_on_an_object_that_somebody_keeps_changing(host: Host) -> None:
    quick = EAGER.replace("1_000_000, 0.0", "3, 0.01")
    live(host)
    with watching(host, "--reconcile", program=quick) as watch:
        watch.event(event="watch")
        change = "for mtu in 1400 1500; do ip -n r2 link set eth0 mtu $mtu; sleep 0.2; done"
        adversary = host.start("sh", "-c", f"while :; do {change}; done")
        end = watch.event(event="gave-up")
        assert end["object"] == "veth r2/eth0"
        assert "leaves it alone" in end["text"]
        since = len(watch.events)
        # other objects are still put right, and this one is neither put right nor reported
        for _ in range(3):
            here = len(watch.events)
            sh(host, "ip -n r1 link set eth0 mtu 1400")
            watch.event(here, event="restored", object="veth r1/eth0")
        adversary.signal(signal.SIGTERM)
        adversary.communicate()
        later = watch.events[since:]
        assert {event["object"] for event in later} == {"veth r1/eth0", None}
        assert {event["event"] for event in later} == {"drift", "restored", "reconciled"}


def test_reconcile_changes_no_more_than_it_may(host: Host) -> None:
    live(host)
    with watching(host, "--reconcile", "--max-changes", "1") as watch:
        watch.event(event="watch")
        sh(host, "ip netns del r1")
        refused = watch.event(event="failed")
        assert "--max-changes is 1" in refused["text"]
        sh(host, "ip -n r2 link set lo mtu 1400")
        watch.event(event="drift", object="lo r2/lo")
        assert "r1" not in sh(host, "ip netns")


def test_a_damaged_record_is_reported_once(host: Host) -> None:
    live(host)
    with watching(host, "--interval", "0.2") as watch:
        watch.event(event="watch")
        sh(
            host,
            "cp /run/netorch/lab/meta.json .; echo x >/run/netorch/lab/meta.json; ip -n r1 link set lo down",
        )
        assert "damaged" in watch.event(event="failed")["text"]
        watch.no_more(QUIET, 2)
        sh(host, "cp meta.json /run/netorch/lab/meta.json")
        watch.event(event="drift", object="link r1/lo")


def test_the_ways_in_which_it_ends(host: Host) -> None:
    live(host)
    unknown = host.netorch("watch", "lob", check=False)
    assert unknown.returncode == 1
    assert "no topology 'lob' is applied on this machine. Did you mean 'lab'?" in unknown.stderr
    assert host.netorch("watch", "--max-changes", "1", check=False).returncode == 64
    quiet = host.netorch("watch", "lab", "--once", "--timeout", "0.1", check=False)
    assert quiet.returncode == 0
    with watching(host, "--once", "lab") as watch:
        watch.event(event="watch")
        sh(host, "ip -n r1 route del 10.9.0.0/16")
        assert watch.process.wait(60) == 2
    already = host.netorch("watch", "--once", check=False)
    assert already.returncode == 2
    assert "route r1 10.9.0.0/16: is missing" in already.stdout
    for number, status in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
        with watching(host) as watch:
            watch.event(event="drift")
            assert watch.end(number) == status
    host.netorch("apply", "-q")
    with watching(host, "--once", "lab") as watch:
        watch.event(event="watch")
        host.netorch("destroy", "lab", "-q")
        assert watch.process.wait(60) == 1
    script = f"{sys.executable} -m netorch watch | true; echo ended"
    assert host.run("sh", "-c", script, timeout=60).stdout == "ended\n"


def test_a_command_is_run_for_each_drift(host: Host) -> None:
    live(host)
    script = host.write(
        "hook.sh",
        '#!/bin/sh\nread event; echo "$NETORCH_OBJECT $event" >>done\n'
        '[ "$NETORCH_AFTER" = 1400 ] && sleep 2\nexit 3\n',
    )
    script.chmod(0o755)
    with watching(host, "--exec", f"{script} 'a b'") as watch:
        watch.event(event="watch")
        sh(host, "ip -n r1 link set eth0 mtu 1400")
        watch.event(event="drift", after="1400")
        sh(host, "ip -n r1 link set eth0 mtu 1300")
        watch.event(event="drift", after="1300")
        failure = watch.event(event="command")
        assert failure["text"] == f"the command of --exec: {script} failed with status 3"
        assert watch.end() == 0
    lines = (host.directory / "done").read_text().splitlines()
    assert len(lines) == 2
    assert json.loads(lines[1].removeprefix("veth r1/eth0 "))["after"] == "1300"


@pytest.mark.skipif(os.geteuid() != 0, reason="changes the user")
def test_without_root_it_says_what_it_needs(host: Host) -> None:
    live(host)
    command = f"exec setpriv --bounding-set -all --inh-caps -all {sys.executable} -m netorch watch"
    done = host.run("sh", "-c", command, check=False, timeout=60)
    assert done.returncode == 1
    assert "needs root" in done.stderr
