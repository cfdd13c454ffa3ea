"""`capture`: packets of several nodes in one stream, read by tcpdump and tshark."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernel.host import Background, Host, diff_snapshots
from tests.kernel.kindcase import require
from tests.kernel.terminal import on_a_terminal
from tests.programs import require_program

FILE = """
name: lab
nodes: {a: {interfaces: {t0: {kind: tun, addresses: [10.9.0.1/24]}}}, b: {}, c: {}}
links:
  - {endpoints: ["a:eth0", "b:eth0"], subnet: 10.0.0.0/30}
  - {endpoints: ["b:eth1", "c:eth0"], subnet: 10.0.1.0/30}
"""
PATIENCE = 60


def wait(happens: object, what: str) -> None:
    """Wait until a function returns true."""
    deadline = time.monotonic() + PATIENCE
    while not happens():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


class Running:
    """A capture that runs, and what it has written on standard error so far."""

    def __init__(self, process: Background, log: Path) -> None:
        self.process, self.log = process, log

    def notes(self) -> str:
        return self.log.read_text()

    def until(self, text: str) -> None:
        wait(lambda: text in self.notes(), f"no {text!r} in:\n{self.notes()}")

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """End the capture by a signal. Returns its exit status."""
        self.process.signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def capture(host: Host, *words: str) -> Iterator[Running]:
    """Run `netorch capture` until its sockets are open."""
    log = host.directory / "log"
    log.unlink(missing_ok=True)
    script = 'exec "$0" -m netorch capture "$@" 2>log'
    with host.start("sh", "-c", script, sys.executable, *words) as process:
        running = Running(process, log)
        wait(log.exists, "it did not start")
        running.until("capturing on")
        try:
            yield running
        finally:
            if process.poll() is None:
                running.end(signal.SIGKILL)


def tcpdump(host: Host, file: str, *words: str) -> list[str]:
    return host.run("tcpdump", "-n", *words, "-r", file).stdout.splitlines()


def fields(host: Host, file: str, *names: str) -> list[list[str]]:
    """Return fields of the packets of a file, as Wireshark sees them."""
    require_program("tshark")
    words = [word for name in names for word in ("-e", name)]
    out = host.run("tshark", "-r", file, "-T", "fields", *words).stdout
    return [line.split("\t") for line in out.splitlines()]


def test_packets_of_several_nodes(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "-q")
    before = host.snapshot()
    with capture(host, "a:eth0", "b", "-w", "x.pcapng", "icmp", "and", "host", "10.0.0.2") as run:
        assert "capturing on a:eth0, b:eth0, b:eth1 " in run.notes()
        host.ping("b", "10.0.1.2", 3)
        assert host.ping("a", "10.0.0.2", 2)
        assert run.end() == 0
    assert "packets, 0 dropped" in run.notes()
    assert diff_snapshots(before, host.snapshot()) == []
    lines = tcpdump(host, "x.pcapng", "-tt")
    assert len(lines) >= 8 and all("ICMP echo" in line and "10.0.0.2" in line for line in lines)
    stamps = [line.split()[0] for line in lines]
    assert stamps == sorted(stamps)
    names = ("frame.interface_name", "frame.packet_flags_direction", "icmp.type")
    # a request leaves a and arrives at b; the answer leaves b and arrives at a
    assert fields(host, "x.pcapng", *names)[:4] == [
        ["a:eth0", "0x00000002", "8"],
        ["b:eth0", "0x00000001", "8"],
        ["b:eth0", "0x00000002", "0"],
        ["a:eth0", "0x00000001", "0"],
    ]


def test_lines_on_a_terminal(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "-q")
    with host.start("ip", "netns", "exec", "a", "ping", "-i", "0.1", "10.0.0.2") as ping:
        out = on_a_terminal(host, "capture", "b:eth0", "icmp[icmptype] == 8", "-c", "2")
        assert "capturing on b:eth0 (Ctrl-C ends)" in out and "2 packets, 0 dropped" in out
        assert out.count("b:eth0 in  10.0.0.1 > 10.0.0.2 ICMP echo request id") == 2
        # a pipe gets pcapng without being asked, and text if it is
        piped = host.run(
            "sh", "-c", f"{sys.executable} -m netorch capture a -q -c 3 | tcpdump -n -r -"
        )
        assert len(piped.stdout.splitlines()) == 3
        text = host.netorch("capture", "-q", "a:eth0", "-o", "text", "-c", "1", "icmp").stdout
        assert text.startswith(("1", "0", "2")) and " a:eth0 " in text
        # what a terminal gets is never binary
        refused = on_a_terminal(host, "capture", "a", "-w", "-")
        assert "standard output is a terminal: write -w FILE" in refused
        ping.signal(signal.SIGINT)


def test_it_ends_with_whole_files(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "-q")
    with host.start("ip", "netns", "exec", "a", "ping", "-i", "0.1", "10.0.0.2") as ping:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with capture(host, "b", "-w", "x.pcapng", "icmp") as run:
                wait((host.directory / "x.pcapng").exists, "no file")
                time.sleep(0.5)
                assert run.end(number) == 0
            assert tcpdump(host, "x.pcapng")
        # a time limit, the reader's end, a full disk
        host.netorch("capture", "a", "--duration", "0.5", "-w", "x.pcapng")
        assert tcpdump(host, "x.pcapng")
        script = f"{sys.executable} -m netorch capture a; echo status $? >status"
        piped = host.run("sh", "-c", f"({script}) | head -c 100 >/dev/null")
        assert "rror" not in piped.stderr
        assert (host.directory / "status").read_text() == "status 0\n"
        host.run("sh", "-c", "mkdir small; mount -t tmpfs -o size=8k tmpfs small")
        full = host.netorch("capture", "a", "-w", "small/x.pcapng", check=False)
        assert full.returncode == 1
        assert "small/x.pcapng cannot be written: No space left on device" in full.stderr
        assert "The packets so far are in it" in full.stderr
        assert len(tcpdump(host, "small/x.pcapng")) > 5
        ping.signal(signal.SIGINT)


def test_interfaces_that_come_and_go(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "-q")
    with capture(host, "b", "c", "-w", "x.pcapng", "icmp") as run:
        host.run("ip", "-n", "b", "link", "del", "eth0")
        run.until("gone: b:eth0")
        host.netorch("apply", "-q")
        run.until("now also capturing on b:eth0")
        assert host.reaches("a", "10.0.0.2")
        host.netorch("destroy", "-q")
        # the capture keeps no namespace alive that its topology does not have any more
        wait(lambda: "gone: b:eth1, c:eth0" in run.notes().replace("b:eth0, ", ""), run.notes())
        assert host.links() == ["lo"]
        host.netorch("apply", "-q")
        wait(lambda: run.notes().count("c:eth0") == 3, run.notes())
        assert host.reaches("b", "10.0.1.2")
        assert run.end() == 0
    seen = {line[0] for line in fields(host, "x.pcapng", "frame.interface_name")}
    assert seen == {"b:eth0", "b:eth1", "c:eth0"}


def test_a_slow_reader_loses_packets_that_are_counted(host: Host) -> None:
    require_program("capinfos", "tshark")
    host.write("topo.yaml", FILE)
    host.netorch("apply", "-q")
    script = (
        f"(echo $$ >pid; exec {sys.executable} -m netorch capture b:eth0 2>log) | "
        "(until [ -e go ]; do sleep 0.1; done; exec cat >x.pcapng)"
    )
    # `$$` in a subshell is the number of its parent
    script = script.replace("$$", "$(exec sh -c 'echo $PPID')")
    with host.start("sh", "-c", script) as process:
        log, file = host.directory / "log", host.directory / "x.pcapng"
        wait(lambda: log.exists() and "capturing" in log.read_text(), "it did not start")
        # 40,000 packets of 1,400 bytes are more than its memory holds
        send = (
            "import socket; s = socket.socket(type=socket.SOCK_DGRAM); "
            "[s.sendto(bytes(1400), ('10.0.0.2', 9)) for _ in range(40000)]"
        )
        host.run("ip", "netns", "exec", "a", sys.executable, "-c", send)
        host.write("go", "")
        wait(lambda: file.exists() and file.stat().st_size > 1000, "nothing was read")
        host.run("kill", "-INT", (host.directory / "pid").read_text().strip())
        process.wait(PATIENCE)
    assert "packets were dropped, because they came faster" in log.read_text()
    assert "dropped" in log.read_text().splitlines()[-2] and ", 0 dropped" not in log.read_text()


def test_what_cannot_be_captured(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "-q")

    def refused(*words: str, status: int = 1) -> str:
        done = host.netorch("capture", *words, "-w", "x.pcapng", check=False)
        assert done.returncode == status
        return done.stderr.strip()

    assert refused("a:eth9") == ("netorch: node a has no interface 'eth9'. It has eth0, lo, t0.")
    assert "'a:' names no interface: write NODE or NODE:IF." in refused("a:")
    assert "topology 'la' is not live here. Did you mean 'lab'?" in refused("a", "--name", "la")
    assert "no live topology has a node 'x'. There are a, b, c." in refused("x")
    assert refused("a", "icmpp") == (
        "netorch: 'icmpp' is not a filter: syntax error. If it is an interface, write a:icmpp. "
        "Filters are in tcpdump's language: `man 7 pcap-filter`."
    )
    assert "is not a filter: unknown host 'no.such.example'" in refused("a", "host no.such.example")
    assert "a:t0 cannot be captured: it carries IP packets without" in refused("a:t0", "arp")
    assert "-w writes pcapng" in refused("a", "-o", "text", status=64)
    assert "there is no option --colour" in refused("a", "--colour", status=64)
    assert not (host.directory / "x.pcapng").exists()
    # a file that is there stays as it was until the capture can begin
    host.write("x.pcapng", "old")
    refused("a", "icmpp")
    assert (host.directory / "x.pcapng").read_text() == "old"
    # without libpcap, everything but a filter works
    code = (
        "import sys; from netorch.cli import main; import netorch.kernel.capture.libpcap as room; "
        "room._LIBRARIES = ('libnothing.so',); sys.exit(main(sys.argv[1:]))"
    )
    words = (sys.executable, "-c", code, "capture", "a", "--duration", "0.1", "-w", "x.pcapng")
    host.run(*words)
    without = host.run(*words, "icmp", check=False)
    assert "needs the library libpcap" in without.stderr
    assert "`apt install libpcap0.8`" in without.stderr


def test_the_host_and_loopbacks(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "-q")
    with capture(host, "host:lo", "a", "a:lo", "-w", "x.pcapng", "icmp or icmp6") as run:
        assert "capturing on host:lo, a:lo, a:t0, a:eth0 " in run.notes()
        assert host.ping(None, "127.0.0.1", 2) and host.ping("a", "127.0.0.1", 2)
        assert run.end() == 0
    # each packet once, although the kernel sees it twice
    echoes = fields(host, "x.pcapng", "frame.interface_name", "icmp.seq", "icmp.type")
    loopback = [echo for echo in echoes if echo[0].endswith(":lo") and echo[2]]
    assert len(loopback) == 8 == len({tuple(echo) for echo in loopback})


def test_a_user_without_root(host: Host) -> None:
    host.write("topo.yaml", FILE)
    script = (
        "mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /etc/netns && "
        f'netorch() {{ {sys.executable} -m netorch "$@"; }} && netorch apply -q && '
        "(ip netns exec a ping -i 0.1 10.0.0.2 >/dev/null & "
        "netorch capture a:eth0 b icmp -c 4 -w x.pcapng; status=$?; kill $!; exit $status)"
    )
    run = host.run("unshare", "-Urnmpf", "--mount-proc", "bash", "-c", script, check=False)
    assert run.returncode == 0, run.stderr
    assert len(tcpdump(host, "x.pcapng")) == 4
    denied = host.run(
        "setpriv",
        "--reuid=65534",
        "--clear-groups",
        sys.executable,
        "-m",
        "netorch",
        "capture",
        "a",
        check=False,
    )
    assert denied.returncode == 1 and "netorch needs root" in denied.stderr


@pytest.mark.uml
def test_tags_and_tunnels(host: Host) -> None:
    require(host, "vlan", "gre")
    host.write(
        "topo.yaml",
        """
name: lab
defaults: {node: {interfaces: {}}}
nodes:
  a: {interfaces: {v7: {kind: vlan, parent: eth0, id: 7, addresses: [10.7.0.1/24]}, g0: {kind: gre, local: 10.0.0.1, remote: 10.0.0.2, addresses: [10.8.0.1/24]}}}
  b: {interfaces: {v7: {kind: vlan, parent: eth0, id: 7, addresses: [10.7.0.2/24]}, g0: {kind: gre, local: 10.0.0.2, remote: 10.0.0.1, addresses: [10.8.0.2/24]}}}
links: [{endpoints: ["a:eth0", "b:eth0"], subnet: 10.0.0.0/30}]
""",
    )
    host.netorch("apply", "-q")
    words = ("a:g0", "-w", "icmp.pcapng", "icmp and net 10.8.0.0/24")
    with capture(host, *words) as inner:
        assert host.reaches("a", "10.8.0.2") and inner.end() == 0
    assert {line.split()[1] for line in tcpdump(host, "icmp.pcapng")} == {"IP"}
    with capture(host, "a", "b:eth0", "-w", "vlan.pcapng", "vlan 7 and icmp") as run:
        assert "a:g0 is not captured: it carries IP packets without" in run.notes()
        assert host.reaches("a", "10.7.0.2") and run.end() == 0
    lines = tcpdump(host, "vlan.pcapng", "-e")
    assert lines and all("vlan 7," in line and "ICMP echo" in line for line in lines)
