"""Test published ports next to other topologies, listening programs and tracked connections."""

from __future__ import annotations

import sys

import pytest

from tests.kernel.host import Background, Host, diff_snapshots, sentences
from tests.kernel.traffic import ask, serve

OUTSIDE = """
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
ip netns add pc
ip link add wan type veth peer name eth0 netns pc
ip link set wan up
ip address add 192.0.2.1/24 dev wan
ip -6 address add 2001:db8::1/64 dev wan nodad
ip -6 route add default via fe80::1 dev wan proto ra expires 900
ip -n pc link set lo up
ip -n pc link set eth0 up
ip -n pc address add 192.0.2.2/24 dev eth0
ip -n pc -6 address add 2001:db8::2/64 dev eth0 nodad
"""

# Where br_netfilter is loaded, it is on for IPv6 in a new namespace, as on a Docker host.
BARE = "! [ -e /proc/sys/net/bridge ] || echo {} >/proc/sys/net/bridge/bridge-nf-call-ip6tables"

LAB = """
name: NAME
prefix: NAME-
backend: {nat: BACKEND}
nodes:
  web: {networks: [front], publish: [PORTS]}
  mate: {networks: [front]}
networks: {front: {mode: nat, subnet: [10.NUMBER.0.0/24, "fd00:NUMBER::/64"]}}
"""

# Sends everything from one socket with a fixed port, as a resolver or an IP telephone does.
TALK = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("", 5555))
sock.settimeout(1)
sock.connect((sys.argv[1], int(sys.argv[2])))
for line in sys.stdin:
    try:
        sock.send(b"?")
        print(sock.recv(100).decode(), flush=True)
    except OSError:
        print("nothing", flush=True)
"""


@pytest.fixture(params=["nftables", "iptables"])
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "iptables":
        pytest.importorskip("iptc", reason="python-iptables is not installed")
    return str(request.param)


def lab(host: Host, backend: str, name: str, ports: str, number: int) -> str:
    text = (
        LAB.replace("NAME", name)
        .replace("BACKEND", backend)
        .replace("PORTS", ports)
        .replace("NUMBER", str(number))
    )
    host.write(f"{name}.yaml", text)
    return f"{name}.yaml"


def talker(host: Host, node: str, address: str, port: int) -> Background:
    return host.start("ip", "netns", "exec", node, sys.executable, "-c", TALK, address, str(port))


def answer(talker: Background) -> str:
    assert talker.stdin is not None and talker.stdout is not None
    talker.stdin.write("\n")
    talker.stdin.flush()
    return talker.stdout.readline().strip()


def tracked(host: Host) -> list[str]:
    """Return the original directions of the UDP connections that the host tracks."""
    lines = host.run("cat", "/proc/net/nf_conntrack").stdout.splitlines()
    fields = (line.split() for line in lines)
    return sorted(
        " ".join(word for word in words if word.startswith(("src=", "dst="))).split(" src=", 1)[0]
        for words in fields
        if "udp" in words
    )


def test_two_topologies_publish_ports_side_by_side(host: Host, backend: str) -> None:
    host.run("sh", "-ec", OUTSIDE + BARE.format(0))
    before = host.snapshot()
    one, two = (
        lab(host, backend, "one", '"8080:80"', 1),
        lab(host, backend, "two", '"8081:80", "127.0.0.1:8082:80"', 2),
    )
    for file in (one, two):
        host.netorch("apply", file)
        assert host.netorch("diff", file).stderr == ""
    serve(host, "one-web", "tcp:80")
    serve(host, "two-web", "tcp:80")
    own = [
        ("tcp", address, port)
        for port in (8080, 8081)
        for address in ("192.0.2.1", "127.0.0.1", "2001:db8::1", "::1")
    ]
    assert all(ask(host, None, *own, ("tcp", "127.0.0.1", 8082)))
    outside = [
        (protocol, address, port)
        for protocol, address, port in own
        if address not in {"127.0.0.1", "::1"}
    ]
    for node in ("pc", "one-mate", "two-mate", "one-web"):
        assert all(ask(host, node, *outside)), node
    host.netorch("destroy", "one")
    assert host.run("cat", "/proc/sys/net/ipv6/conf/wan/accept_ra").stdout == "2\n", (
        "the other topology still forwards"
    )
    assert all(ask(host, None, *own[4:]))
    host.netorch("destroy", "two")
    empty_tables = ("host: iptables", "host: ip6tables") if backend == "iptables" else ()
    assert (
        diff_snapshots(
            before, host.snapshot(), ignore=("files: /run/netorch", "host: routes", *empty_tables)
        )
        == []
    )


@pytest.mark.parametrize(
    ("ports", "refused"),
    [
        ('"8080:1"', True),
        ('"8000-8100:8000-8100"', True),
        ('"192.0.2.1:8080:1"', True),
        ('"[::]:8080:1"', True),
        ('"127.0.0.2:9090:1"', False),
        ('"127.0.0.1:9090:1"', True),
        ('"8080:1/udp"', False),
    ],
)
def test_a_port_that_another_topology_has_is_an_error(
    host: Host, ports: str, refused: bool
) -> None:
    host.netorch("apply", lab(host, "auto", "one", '"8080:80", "127.0.0.1:9090:90"', 1))
    before = host.snapshot()
    failed = host.netorch("apply", "--dry-run", lab(host, "auto", "two", ports, 2), check=False)
    assert failed.returncode == (1 if refused else 2), failed.stderr
    if refused:
        assert (
            "two.yaml:6:38: publish web " in failed.stderr
            and "topology 'one' already publishes that port of the host" in failed.stderr
        )
    assert diff_snapshots(before, host.snapshot(), ignore=("files: /run/netorch",)) == []
    assert host.netorch("diff", "one.yaml").returncode == 0


def test_a_program_that_listens_is_an_error_with_a_place(host: Host) -> None:
    code = (
        "import socket\ns = socket.create_server(('', 8080))\nprint('ready', flush=True)\ninput()"
    )
    listener = host.start(sys.executable, "-c", code)
    assert listener.stdout is not None and listener.stdout.readline() == "ready\n"
    failed = host.netorch("apply", lab(host, "auto", "one", '"7070:70", "8080:80"', 1), check=False)
    assert failed.returncode == 1
    assert (
        "one.yaml:6:49: publish web 8080:80/tcp: "
        "a program already listens on tcp port 8080 of host." in failed.stderr
    )
    assert "7070" not in " ".join(sentences(failed.stderr))


def test_a_port_published_later_answers_on_the_loopback_too(host: Host, backend: str) -> None:
    text = "name: lab\nbackend: {nat: BACKEND}\nnodes: {box: {}, web: {networks: [front]PORTS}}\n"
    text += 'networks: {front: {mode: nat, node: box, subnet: [10.1.0.0/24, "fd00:1::/64"]}}\n'
    for ports in ("", ', publish: ["8080:80"]'):
        host.write("lab.yaml", text.replace("BACKEND", backend).replace("PORTS", ports))
        host.netorch("apply", "lab.yaml")
    serve(host, "web", "tcp:80")
    assert ask(host, "box", ("tcp", "::1", 8080), ("tcp", "127.0.0.1", 8080)) == [
        "fd00:1::1 80",
        "10.1.0.1 80",
    ]
    assert host.netorch("diff", "lab.yaml").returncode == 0


def test_a_warning_where_br_netfilter_takes_answers_from_the_loopback(host: Host) -> None:
    if host.run(
        "sh", "-c", BARE.format(1) + "; [ -e /proc/sys/net/bridge ]", check=False
    ).returncode:
        pytest.skip("no br_netfilter here")
    for ports, warned in (
        ('"8080:80"', True),
        ('"[::1]:8080:80"', True),
        ('"127.0.0.1:8080:80"', False),
        ('"0.0.0.0:8080:80"', False),
    ):
        warnings = host.netorch("diff", lab(host, "auto", "one", ports, 1), check=False).stderr
        assert ("do not answer on ::1" in warnings) is warned, (ports, warnings)


@pytest.mark.parametrize(
    ("ports", "warned"),
    [
        ('"203.0.113.9:80:80"', True),
        ('"[2001:db8::9]:80:80"', True),
        ('"192.0.2.1:80:80", "127.0.0.9:80:80", "10.1.0.1:81:81"', False),
    ],
)
def test_a_warning_for_an_address_that_the_owner_does_not_have(
    host: Host, ports: str, warned: bool
) -> None:
    host.run("sh", "-ec", OUTSIDE)
    warnings = host.netorch("diff", lab(host, "auto", "one", ports, 1), check=False).stderr
    assert ("host does not have the address" in warnings) is warned, warnings


def test_only_what_led_to_another_place_is_forgotten(host: Host, backend: str) -> None:
    host.run("sh", "-ec", OUTSIDE)
    file = lab(host, backend, "one", '"8080:80"', 1)
    host.netorch("apply", file)
    serve(host, "pc", "udp:53")
    serve(host, "one-web", "udp:53")
    out = talker(host, "one-mate", "192.0.2.2", 53)
    assert answer(out) == "192.0.2.1 53"
    assert tracked(host) == ["src=10.1.0.3 dst=192.0.2.2"]

    lab(host, backend, "one", '"8080:80", "53:53/udp"', 1)
    host.netorch("apply", file)
    assert tracked(host) == ["src=10.1.0.3 dst=192.0.2.2"], (
        "a connection to that port of another address stays"
    )
    inwards = talker(host, "pc", "192.0.2.1", 53)
    assert answer(inwards) == "192.0.2.2 53"

    lab(host, backend, "one", '"8080:80"', 1)
    host.netorch("apply", file)
    assert tracked(host) == ["src=10.1.0.3 dst=192.0.2.2"]
    assert answer(inwards) == "nothing", (
        "a connection to a port that is no longer published gets no answers"
    )


def test_loopback_is_for_the_owner_alone(host: Host, backend: str) -> None:
    host.run("sh", "-ec", OUTSIDE)
    host.netorch("apply", lab(host, backend, "one", '"127.0.0.1:9090:80", "127.0.0.2:9090:81"', 1))
    serve(host, "one-web", "tcp:80", "tcp:81")
    code = (
        "import socket\ns = socket.create_server(('127.0.0.1', 7777))\n"
        "print('ready', flush=True)\nwhile True: s.accept()[0].send(b'in')"
    )
    private = host.start(sys.executable, "-c", code)
    assert private.stdout is not None and private.stdout.readline() == "ready\n"
    asked = [("tcp", "127.0.0.1", 9090), ("tcp", "127.0.0.2", 9090), ("tcp", "127.0.0.1", 7777)]
    assert ask(host, None, *asked) == ["10.1.0.1 80", "10.1.0.1 81", "in"]
    for node, gateway in (("pc", "192.0.2.1"), ("one-mate", "10.1.0.1")):
        spoof = f"""
            echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
            ip address del 127.0.0.1/8 dev lo
            ip route add 127.0.0.0/8 via {gateway}
        """
        host.run("ip", "netns", "exec", node, "sh", "-ec", spoof)
        assert "dev eth0" in host.run("ip", "-n", node, "route", "get", "127.0.0.1").stdout
        assert ask(host, node, *asked, patience=0.6) == [None] * 3, node


def test_a_host_only_network_is_open_to_whom_it_allows(host: Host, backend: str) -> None:
    text = """
        name: lab
        backend: {nat: BACKEND}
        nodes: {box: {}, h: {networks: [home]}, d: {networks: [den]}, n: {networks: [net]}, x: {networks: [back]}}
        networks:
          home: {mode: host-only, node: box, subnet: [10.1.0.0/24, "fd00:1::/64"], allow: [net, den]}
          den: {mode: host-only, node: box, subnet: [10.2.0.0/24, "fd00:2::/64"]}
          net: {mode: nat, node: box, subnet: [10.3.0.0/24, "fd00:3::/64"]}
          back: {mode: nat, node: box, subnet: [10.4.0.0/24, "fd00:4::/64"]}
    """
    host.write("lab.yaml", text.replace("BACKEND", backend))
    host.netorch("apply", "lab.yaml")
    ports = {"h": 81, "d": 82, "n": 83, "x": 84}
    for node, port in ports.items():
        serve(host, node, f"tcp:{port}")
    allowed = {("h", "d"), ("d", "h"), ("h", "n"), ("n", "h")}
    for source in ports:
        for target, port in ports.items():
            if source != target:
                questions = (
                    ("tcp", f"10.{port - 80}.0.2", port),
                    ("tcp", f"fd00:{port - 80}::2", port),
                )
                open_ = (source, target) in allowed
                answers = ask(host, source, *questions, patience=6.0 if open_ else 0.4)
                assert [answer is not None for answer in answers] == [open_] * 2, (source, target)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("{subnet: 10.2.0.0/24}", "is of mode segment"),
        ("{mode: nat, node: r, subnet: 10.2.0.0/24}", "is on r, but net is on box"),
    ],
)
def test_an_allow_that_leads_nowhere_is_an_error(host: Host, other: str, message: str) -> None:
    host.write(
        "lab.yaml",
        f"name: lab\nnodes: {{box: {{}}, r: {{}}}}\n"
        f"networks: {{net: {{mode: nat, node: box, subnet: 10.1.0.0/24, allow: [two]}}, "
        f"two: {other}}}\n",
    )
    failed = host.netorch("validate", "lab.yaml", check=False)
    assert failed.returncode == 1 and message in failed.stderr


STRICT = """
name: lab
backend: {{nat: {backend}}}
nodes:
  r: {{sysctls: {{net.ipv4.conf.all.rp_filter: 1}}}}
  web:
    sysctls: {{net.ipv4.conf.all.rp_filter: 1}}
    networks: [one, two]
    publish: ["8081:80", {{network: two, port: 8082, to: 80}}]
  own:
    sysctls: {{net.ipv4.conf.all.rp_filter: 1}}
    networks: {{two: {{default_route: false}}}}
    routes: [{{to: default, via: 10.0.0.1}}]
    publish: ["8083:80"]
  pc: {{}}
networks:
  one: {{mode: nat, node: {owner}, subnet: 172.17.0.0/16}}
  two: {{mode: nat, node: {owner}, subnet: 172.18.0.0/16}}
links:
  - {{endpoints: ["{owner}:up0", "pc:eth0"], subnet: 192.0.2.0/30}}
  - {{endpoints: ["{owner}:own0", "own:eth9"], subnet: 10.0.0.0/30}}
"""


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
@pytest.mark.parametrize("owner", ["r", "host"])
def test_answers_that_take_another_way_pass_strict_reverse_path_filters(
    host: Host, owner: str, backend: str
) -> None:
    if backend == "iptables":
        pytest.importorskip("iptc", reason="python-iptables is not installed")
    host.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.default.rp_filter=1")
    host.write("lab.yaml", STRICT.format(owner=owner, backend=backend))
    before = host.snapshot()["host"]
    host.netorch("apply", "lab.yaml")
    serve(host, "web", "tcp:80")
    serve(host, "own", "tcp:80")
    asked = [("tcp", "192.0.2.1", port) for port in (8081, 8082, 8083)]
    assert ask(host, "pc", *asked) == ["192.0.2.2 80"] * len(asked)
    assert "arrives" in host.netorch("explain", "pc", "192.0.2.1", "--tcp", "8082").stdout
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    host.netorch("destroy", "lab")
    after = host.snapshot()["host"]
    assert {key: text for key, text in after.items() if "rp_filter" in key} == {
        key: text for key, text in before.items() if "rp_filter" in key
    }


ISOLATED = """
name: lab
nodes:
  r: {{{more}}}
  web: {{networks: [lan], publish: ["8081:80"]}}
  a: {{networks: [lan]}}
networks:
  lan: {{mode: nat, node: {owner}, subnet: [172.17.0.0/16, "fd17::/64"], port_isolation: true}}
"""
INWARD = (("172.17.0.1", "IPv4"), ("fd17::1", "IPv6"))


def needs_bridge_filter(host: Host) -> None:
    if not (host.root / "proc/sys/net/bridge/bridge-nf-call-iptables").exists():
        pytest.skip("needs br_netfilter")


def test_isolated_members_reach_published_ports_where_the_owner_is_ours(host: Host) -> None:
    needs_bridge_filter(host)
    host.write("lab.yaml", ISOLATED.format(owner="r", more=""))
    assert "br_netfilter" not in host.netorch("apply", "lab.yaml").stderr
    serve(host, "web", "tcp:80")
    for address, _ in INWARD:
        for node in ("a", "web"):
            assert ask(host, node, ("tcp", address, 8081)) == [f"{address} 80"]
            done = host.netorch("explain", node, address, "--tcp", "8081")
            assert f"{node} → {address}: arrives" in done.stdout
    assert not host.ping("a", "172.17.0.2")
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout


@pytest.mark.parametrize("owner", ["host", "r"])
def test_a_warning_for_isolated_members_where_br_netfilter_stays_on(host: Host, owner: str) -> None:
    needs_bridge_filter(host)
    paths = [f"net.bridge.bridge-nf-call-{word}tables" for word in ("ip", "ip6")]
    more = f"sysctls: {{{', '.join(f'{path}: 1' for path in paths)}}}" if owner == "r" else ""
    if owner == "host":
        host.run("sysctl", "-qw", *(f"{path}=1" for path in paths))
    host.write("lab.yaml", ISOLATED.format(owner=owner, more=more))
    warnings = host.netorch("diff", "lab.yaml", check=False).stderr
    for path, (_, version) in zip(paths, INWARD, strict=True):
        assert (
            "do not answer members on bridge lan, whose ports are isolated, "
            f"because br_netfilter hands bridged {version}" in warnings
        )
        assert f"sysctl {path}=0 prevents that" in warnings
    host.netorch("apply", "lab.yaml")
    serve(host, "web", "tcp:80")
    for address, _ in INWARD:
        for node, why in (
            ("a", "are isolated ports of bridge"),
            ("web", "is an isolated port of bridge"),
        ):
            assert ask(host, node, ("tcp", address, 8081), patience=1) == [None]
            done = host.netorch("explain", node, address, "--tcp", "8081", check=False)
            assert f"{node} → {address}: does not arrive" in done.stdout and why in done.stdout
            assert (
                "br_netfilter: the packet goes from one port of bridge lan to another"
                in done.stdout
            )


FORMS = """\
name: lab
nodes:
  a: {networks: [lan], publish: [3000, "8000-8001:80"]}
  b: {networks: [lan], publish: [3000, "8000-8001:80", "::1:6000:6000", "127.0.0.1::8005"]}
  box: {}
networks: {lan: {mode: nat, node: box, subnet: [10.0.0.0/24, "fd00::/64"]}}
backend: {nat: BACKEND}
"""


def test_ports_that_netorch_chooses_lead_to_their_nodes(host: Host, backend: str) -> None:
    host.write("topo.yaml", FORMS.replace("BACKEND", backend))
    host.netorch("apply")
    of_a = [("tcp", "127.0.0.1", 3000), ("tcp", "10.0.0.1", 8000)]
    of_b = [
        ("tcp", "127.0.0.1", 3001),
        ("tcp", "10.0.0.1", 8001),
        ("tcp", "::1", 6000),
        ("tcp", "127.0.0.1", 8005),
    ]
    serve(host, "b", "tcp:3000", "tcp:80", "tcp:6000", "tcp:8005")
    answers = ask(host, "box", *of_b)
    assert [answer and answer.split()[1] for answer in answers] == ["3000", "80", "6000", "8005"]
    assert ask(host, "box", *of_a, patience=1.0) == [None, None], "nobody listens in a yet"
    serve(host, "a", "tcp:3000", "tcp:80")
    assert all(ask(host, "box", *of_a))
    assert host.netorch("diff").stdout == "lab: in sync\n"
