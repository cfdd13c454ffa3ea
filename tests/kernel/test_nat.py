"""Test NAT, routed networks, published ports and isolation with real traffic and both backends."""

from __future__ import annotations

import json
import sys

import pytest

from tests.kernel.host import Host, diff_snapshots
from tests.kernel.traffic import ask, serve

BACKENDS = ("nftables", "iptables")

LAB = """
name: lab
backend: {{nat: {backend}}}
nodes:
  box: {{}}
  web:
    networks: [front]
    publish: ["8080:80", "127.0.0.1:9090:80", "5001-5003:6001-6003/udp", "192.0.2.1:7070:80"]
  mate: {{networks: [front]}}
  other: {{networks: [back]}}
  open: {{networks: [routed]}}
  inner: {{networks: [closed]}}
  pc: {{routes: [{{to: 172.19.0.0/16, via: 192.0.2.1}}, {{to: 172.17.0.0/16, via: 192.0.2.1}}, {{to: "fd19::/64", via: "2001:db8::1"}}]}}
networks:
  front: {{mode: nat, node: box, subnet: [172.17.0.0/16, "fd17::/64"]}}
  back: {{mode: nat, node: box, subnet: [172.18.0.0/16, "fd18::/64"]}}
  routed: {{mode: routed, node: box, subnet: [172.19.0.0/16, "fd19::/64"]}}
  closed: {{mode: host-only, node: box, subnet: 172.20.0.0/16}}
links:
  - {{endpoints: ["box:eth0", "pc:eth0"], subnet: [192.0.2.0/30, "2001:db8::/64"]}}
"""


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "iptables":
        pytest.importorskip("iptc", reason="python-iptables is not installed")
    return str(request.param)


def check_published_ports(host: Host, backend: str) -> None:
    """Check who reaches the published ports, and which source address the server sees."""
    host.write("lab.yaml", LAB.format(backend=backend))
    host.netorch("apply", "lab.yaml")
    serve(host, "web", "tcp:80", "udp:6001", "udp:6002", "udp:6003", "udp:6004")

    outside = ask(
        host,
        "pc",
        ("tcp", "192.0.2.1", 8080),
        ("tcp", "2001:db8::1", 8080),
        ("tcp", "192.0.2.1", 7070),
    )
    assert outside == ["192.0.2.2 80", "2001:db8::2 80", "192.0.2.2 80"], (
        "the server sees the client's own address"
    )
    assert ask(host, "pc", *(("udp", "192.0.2.1", port) for port in (5001, 5002, 5003))) == [
        "192.0.2.2 6001",
        "192.0.2.2 6002",
        "192.0.2.2 6003",
    ], "each port of the range leads to the port with the same offset"
    owner = ask(
        host,
        "box",
        *(("tcp", address, 8080) for address in ("192.0.2.1", "127.0.0.1", "2001:db8::1", "::1")),
    )
    assert all(owner), f"the owner reaches the port at each of its addresses: {owner}"
    assert ask(host, "box", ("tcp", "127.0.0.1", 9090))[0], (
        "the owner reaches a port that is published on loopback only"
    )
    for member in ("mate", "web"):
        assert all(
            ask(
                host,
                member,
                *(
                    ("tcp", address, 8080)
                    for address in ("192.0.2.1", "172.17.0.1", "2001:db8::1", "fd17::1")
                ),
            )
        ), member
    assert all(ask(host, "other", ("tcp", "192.0.2.1", 8080), ("tcp", "2001:db8::1", 8080))), (
        "members of other networks reach published ports too"
    )


def test_who_reaches_the_published_port_and_whom_the_server_sees(host: Host, backend: str) -> None:
    check_published_ports(host, backend)


@pytest.mark.uml
def test_a_kernel_with_iptables_alone_serves_the_same(host: Host) -> None:
    pytest.importorskip("iptc", reason="python-iptables is not installed")
    check_published_ports(host, "iptables")


def test_what_is_not_published_stays_closed(host: Host, backend: str) -> None:
    host.write("lab.yaml", LAB.format(backend=backend))
    host.netorch("apply", "lab.yaml")
    serve(host, "web", "tcp:80", "tcp:81", "udp:6004")
    assert ask(host, "mate", ("tcp", "172.17.0.2", 81), ("tcp", "fd17::2", 81)) == [
        "172.17.0.3 81",
        "fd17::3 81",
    ], "members reach every port of each other"
    closed = ask(
        host,
        "pc",
        ("tcp", "192.0.2.1", 9090),  # published on loopback only
        ("tcp", "172.17.0.2", 81),  # straight to the member
        ("tcp", "172.17.0.2", 80),
        ("udp", "192.0.2.1", 5004),  # next to the range
        patience=0.6,
    )
    assert closed == [None] * 4
    assert ask(host, "other", ("tcp", "172.17.0.2", 80), ("tcp", "fd17::2", 80), patience=0.6) == [
        None,
        None,
    ], "networks are isolated from each other"


def test_the_way_out(host: Host, backend: str) -> None:
    host.write("lab.yaml", LAB.format(backend=backend))
    host.netorch("apply", "lab.yaml")
    serve(host, "pc", "tcp:80", "udp:53")
    out = (("tcp", "192.0.2.2", 80), ("udp", "192.0.2.2", 53), ("tcp", "2001:db8::2", 80))
    assert ask(host, "web", *out) == ["192.0.2.1 80", "192.0.2.1 53", "2001:db8::1 80"], (
        "the addresses of a nat network are masqueraded"
    )
    assert ask(host, "open", *out) == ["172.19.0.2 80", "172.19.0.2 53", "fd19::2 80"], (
        "members of a routed network keep their own addresses"
    )
    assert ask(host, "inner", ("tcp", "192.0.2.2", 80), patience=0.6) == [None], (
        "a host-only network has no way out"
    )
    serve(host, "open", "tcp:81")
    assert ask(host, "pc", ("tcp", "172.19.0.2", 81), ("tcp", "fd19::2", 81)) == [
        "192.0.2.2 81",
        "2001:db8::2 81",
    ], "members of a routed network are reached from outside"


def test_isolation_in_both_directions(host: Host, backend: str) -> None:
    host.write("lab.yaml", LAB.format(backend=backend))
    host.netorch("apply", "lab.yaml")
    reached = {
        ("web", "mate"): True,
        ("web", "other"): False,
        ("other", "web"): False,
        ("open", "web"): False,
        ("web", "open"): False,
    }
    addresses = {
        "web": "172.17.0.2",
        "mate": "172.17.0.3",
        "other": "172.18.0.2",
        "open": "172.19.0.2",
    }
    for (source, target), expected in reached.items():
        assert host.ping(source, addresses[target]) is expected, (source, target)
    for node, own, theirs in (
        ("web", "172.17.0.1", "172.18.0.1"),
        ("other", "172.18.0.1", "172.17.0.1"),
        ("inner", "172.20.0.1", "172.17.0.1"),
    ):
        assert host.ping(node, own), f"{node}: its own gateway answers"
        assert not host.ping(node, theirs), f"{node}: another network's gateway does not"
    allowed = LAB.replace("subnet: [172.18.0.0/16", "allow: [front], subnet: [172.18.0.0/16")
    host.write("lab.yaml", allowed.format(backend=backend))
    host.netorch("apply", "lab.yaml")
    assert host.ping("other", addresses["web"]) and host.ping("web", addresses["other"]), (
        "`allow` opens the two networks to each other"
    )
    assert host.netorch("diff", "lab.yaml", check=False).returncode == 0


def test_modes_for_each_family_and_egress(host: Host, backend: str) -> None:
    lab = """
        name: lab
        backend: {nat: BACKEND}
        nodes:
          box: {interfaces: {eth0: {addresses: [203.0.113.5/32]}}}
          a: {networks: [net]}
          pc: {routes: [{to: "fd17::/64", via: "2001:db8::1"}, {to: 203.0.113.5/32, via: 192.0.2.1}]}
        networks: {net: {mode: {v4: nat, v6: routed}, node: box, subnet: [172.17.0.0/16, "fd17::/64"], egress: 203.0.113.5}}
        links: [{endpoints: ["box:eth0", "pc:eth0"], subnet: [192.0.2.0/30, "2001:db8::/64"]}]
    """
    host.write("lab.yaml", lab.replace("BACKEND", backend))
    host.netorch("apply", "lab.yaml")
    serve(host, "pc", "tcp:80")
    assert ask(host, "a", ("tcp", "192.0.2.2", 80), ("tcp", "2001:db8::2", 80)) == [
        "203.0.113.5 80",
        "fd17::2 80",
    ]


def test_port_isolation_lets_members_reach_the_gateway_only(host: Host) -> None:
    host.write(
        "lab.yaml",
        """
        name: lab
        nodes: {box: {}, a: {networks: [net]}, b: {networks: [net]}}
        networks: {net: {mode: host-only, node: box, subnet: [10.0.0.0/24, "fd00::/64"], port_isolation: true}}
        """,
    )
    host.netorch("apply", "lab.yaml")
    assert host.ping("a", "10.0.0.1") and host.ping("b", "fd00::1")
    assert not host.ping("a", "10.0.0.3") and not host.ping("b", "fd00::2")


def test_a_nodes_own_nat(host: Host, backend: str) -> None:
    lab = """
        name: lab
        backend: {nat: BACKEND}
        nodes:
          gw:
            forwarding: true
            nat:
              - masquerade: {from: 10.0.0.0/24, out: wan}
              - dnat: {proto: tcp, port: 8000-8002, in: "!lan", to: "10.0.0.2:9000-9002"}
              - dnat: {proto: tcp, port: 80, in: wan, address: "2001:db8::1", to: "[fd00::2]:9000"}
              - snat: {from: "fd00::/64", out: wan, to: "2001:db8::1"}
          inside: {routes: [{to: default, via: 10.0.0.1}, {to: "::/0", via: "fd00::1"}]}
          outside: {}
        links:
          - {endpoints: ["gw:lan", "inside:eth0"], subnet: [10.0.0.0/24, "fd00::/64"]}
          - {endpoints: ["gw:wan", "outside:eth0"], subnet: [192.0.2.0/30, "2001:db8::/64"]}
    """
    host.write("lab.yaml", lab.replace("BACKEND", backend))
    host.netorch("apply", "lab.yaml")
    serve(host, "inside", "tcp:9000", "tcp:9001", "tcp:9002")
    serve(host, "outside", "tcp:80")
    ports = [("tcp", "192.0.2.1", port) for port in (8000, 8001, 8002)]
    assert ask(host, "outside", *ports) == ["192.0.2.2 9000", "192.0.2.2 9001", "192.0.2.2 9002"]
    assert ask(host, "outside", ("tcp", "2001:db8::1", 80)) == ["2001:db8::2 9000"]
    assert ask(host, "inside", ("tcp", "192.0.2.2", 80), ("tcp", "2001:db8::2", 80)) == [
        "192.0.2.1 80",
        "2001:db8::1 80",
    ]


EVERYWHERE = """
name: lab
backend: {nat: BACKEND}
nodes:
  gw: {forwarding: true, nat: [{masquerade: {from: 10.0.0.0/24}}, {masquerade: {from: "fd00::/64"}}]}
  inside: {routes: [{to: default, via: 10.0.0.1}, {to: "::/0", via: "fd00::1"}]}
  one: {}
  two: {}
links:
  - {endpoints: ["gw:lan", "inside:eth0"], subnet: [10.0.0.0/24, "fd00::/64"]}
  - {endpoints: ["gw:one", "one:eth0"], subnet: [192.0.2.0/30, "2001:db8::/64"]}
  - {endpoints: ["gw:two", "two:eth0"], subnet: [198.51.100.0/30, "2001:db8:1::/64"]}
"""


def test_masquerade_without_an_interface_holds_for_all_but_lo(host: Host, backend: str) -> None:
    host.write("lab.yaml", EVERYWHERE.replace("BACKEND", backend))
    host.netorch("apply", "lab.yaml")
    for node in ("one", "two", "gw"):
        serve(host, node, "tcp:80")
    questions = {
        "192.0.2.2": "192.0.2.1 80",
        "198.51.100.2": "198.51.100.1 80",
        "2001:db8::2": "2001:db8::1 80",
        "2001:db8:1::2": "2001:db8:1::1 80",
    }
    answers = ask(host, "inside", *(("tcp", address, 80) for address in questions))
    assert answers == list(questions.values())
    assert ask(host, "gw", ("tcp", "10.0.0.1", 80), ("tcp", "fd00::1", 80)) == [
        "10.0.0.1 80",
        "fd00::1 80",
    ], "what the node sends to itself is not translated"
    assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
    explained = host.netorch("explain", "inside", "one").stdout
    assert "masquerade" in explained


def test_on_the_host_itself_everything_is_as_it_was_after_destroy(host: Host, backend: str) -> None:
    host.run(
        "nft",
        "add table inet mine; "
        "add chain inet mine c { type filter hook forward priority 5; }; "
        "add rule inet mine c counter accept",
    )
    host.run(
        "iptables-legacy",
        "-t",
        "nat",
        "-A",
        "POSTROUTING",
        "-s",
        "10.99.0.0/24",
        "-j",
        "MASQUERADE",
    )
    host.run("iptables-legacy", "-A", "FORWARD", "-s", "10.99.0.0/24", "-j", "ACCEPT")
    host.run("ip6tables-legacy", "-t", "nat", "-L")
    host.run("ip6tables-legacy", "-L")
    before = host.snapshot()
    lab = """
        name: lab
        backend: {nat: BACKEND}
        nodes: {web: {networks: [front], publish: ["8080:80"]}, other: {networks: [back]}}
        networks:
          front: {mode: nat, subnet: [172.17.0.0/16, "fd17::/64"]}
          back: {mode: routed, subnet: 172.18.0.0/16}
    """
    host.write("lab.yaml", lab.replace("BACKEND", backend))
    host.netorch("apply", "lab.yaml")
    assert host.netorch("diff", "lab.yaml").returncode == 0
    serve(host, "web", "tcp:80")
    assert ask(host, None, ("tcp", "127.0.0.1", 8080), ("tcp", "172.17.0.1", 8080)) == [
        "172.17.0.1 80",
        "172.17.0.1 80",
    ]
    host.write(
        "bad.yaml",
        lab.replace("BACKEND", backend)
        .replace("8080:80", "8081:80")
        .replace("name: lab", "name: lab\n        links: [[web:x, other:x]]")
        .replace("other: {", "other: {routes: [{to: default, via: 9.9.9.9, metric: 9}], "),
    )
    assert host.netorch("apply", "bad.yaml", check=False).returncode == 1
    assert host.netorch("diff", "lab.yaml", check=False).returncode == 0, (
        "a failed apply leaves the previous rules in place"
    )
    host.netorch("destroy", "lab")
    assert diff_snapshots(before, host.snapshot()) == []


def test_rules_changed_by_hand_show_and_are_mended(host: Host, backend: str) -> None:
    host.write("lab.yaml", LAB.format(backend=backend))
    host.netorch("apply", "lab.yaml")
    inside = ("ip", "netns", "exec", "box")
    damage = {
        "nftables": (
            ("nft", "add rule inet netorch_lab forward drop"),
            ("nft", "flush chain inet netorch_lab postrouting"),
            ("nft", "flush ruleset"),
        ),
        "iptables": (
            ("iptables-legacy", "-A", "netorch-lab-fwd", "-j", "DROP"),
            ("iptables-legacy", "-t", "nat", "-D", "netorch-lab-post", "1"),
            ("iptables-legacy", "-t", "nat", "-F"),
        ),
    }
    for command in damage[backend]:
        host.run(*inside, *command)
        diff = host.netorch("diff", "lab.yaml", check=False)
        assert diff.returncode == 2, command
        assert "filter box" in diff.stdout
        document = json.loads(host.netorch("diff", "lab.yaml", "-o", "json", check=False).stdout)
        assert [change["kind"] for change in document["changes"]] == ["filter"]
        host.netorch("apply", "lab.yaml")
        assert host.netorch("diff", "lab.yaml", check=False).returncode == 0, command


def test_an_equal_filter_is_not_loaded_again(host: Host) -> None:
    host.write("lab.yaml", LAB.format(backend="nftables"))
    host.netorch("apply", "lab.yaml")
    inside = ("ip", "netns", "exec", "box")
    host.run(*inside, "nft", "add rule inet netorch_lab forward counter")
    host.netorch("apply", "lab.yaml")
    before = host.run(*inside, "nft", "-a", "list", "table", "inet", "netorch_lab").stdout
    host.netorch("apply", "lab.yaml")
    host.write(
        "lab.yaml",
        LAB.format(backend="nftables").replace(
            "mate: {networks: [front]}", "mate: {networks: {front: {mtu: 1400}}}"
        ),
    )
    host.netorch("apply", "lab.yaml")
    assert (
        host.run(*inside, "nft", "-a", "list", "table", "inet", "netorch_lab").stdout == before
    ), "every rule still has its old handle"


def test_the_backend_can_be_changed(host: Host) -> None:
    pytest.importorskip("iptc", reason="python-iptables is not installed")
    for backend in ("nftables", "iptables", "nftables"):
        host.write("lab.yaml", LAB.format(backend=backend))
        host.netorch("apply", "lab.yaml")
        assert host.netorch("diff", "lab.yaml", check=False).returncode == 0
        tables = host.run("ip", "netns", "exec", "box", "nft", "list", "tables").stdout
        legacy = host.run("ip", "netns", "exec", "box", "iptables-legacy-save").stdout
        assert ("netorch_lab" in tables) is (backend == "nftables")
        assert ("netorch" in legacy) is (backend == "iptables")


def test_a_filter_goes_when_the_file_wants_none_any_more(host: Host, backend: str) -> None:
    lab = """
        name: lab
        backend: {nat: BACKEND}
        nodes:
          gw: {nat: [{masquerade: {out: eth0}}]}
          a: {networks: [net]}
        networks: {net: {mode: nat, node: gw, subnet: 10.0.0.0/24}}
    """.replace("BACKEND", backend)
    host.write("lab.yaml", lab)
    host.netorch("apply", "lab.yaml")
    host.write(
        "lab.yaml", lab.replace("nat: [{masquerade: {out: eth0}}]", "").replace("mode: nat, ", "")
    )
    assert "- filter gw" in host.netorch("apply", "lab.yaml").stdout
    for command in (
        ("nft", "list", "ruleset"),
        ("iptables-legacy-save",),
        ("ip6tables-legacy-save",),
    ):
        assert "netorch" not in host.run("ip", "netns", "exec", "gw", *command).stdout


def test_datagrams_follow_a_port_to_its_new_node(host: Host, backend: str) -> None:
    lab = """
        name: lab
        backend: {nat: BACKEND}
        nodes: {box: {}, a: {networks: [net]A}, b: {networks: [net]B}, pc: {}}
        networks: {net: {mode: nat, node: box, subnet: 172.17.0.0/16}}
        links: [{endpoints: ["box:eth0", "pc:eth0"], subnet: 192.0.2.0/30}]
    """.replace("BACKEND", backend)
    port = ', publish: ["53:53/udp"]'
    serve_script = (
        "import socket,sys\n"
        "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.bind(('',53));"
        "print('ready',flush=True)\n"
        "while True:\n d,a=s.recvfrom(9);s.sendto(sys.argv[1].encode(),a)"
    )
    client = (
        "import socket,sys\n"
        "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.bind(('',5555));"
        "s.settimeout(2);s.connect(('192.0.2.1',53))\n"
        "for l in sys.stdin:\n s.send(b'?');print(s.recv(9).decode(),flush=True)"
    )
    import sys

    host.write("lab.yaml", lab.replace("[net]A", "[net]" + port).replace("[net]B", "[net]"))
    host.netorch("apply", "lab.yaml")
    for node in "ab":
        server = host.start("ip", "netns", "exec", node, sys.executable, "-c", serve_script, node)
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
    asker = host.start("ip", "netns", "exec", "pc", sys.executable, "-c", client)
    assert asker.stdin is not None and asker.stdout is not None

    def answer() -> str:
        asker.stdin.write("\n")
        asker.stdin.flush()
        return asker.stdout.readline().strip()

    assert answer() == "a"
    host.write("lab.yaml", lab.replace("[net]B", "[net]" + port).replace("[net]A", "[net]"))
    host.netorch("apply", "lab.yaml")
    assert answer() == "b", "the translation of the connection ends with its rule"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("mate: {networks: [front]}", 'mate: {networks: [front], publish: ["8080:81"]}'),
            "web publishes 8080 already",
        ),
        (("subnet: [172.18.0.0/16", "subnet: [172.17.128.0/17"), "overlap"),
        (
            (
                "mode: nat, node: box, subnet: [172.18",
                "mode: nat, gateway: 10.0.0.1, node: box, subnet: [172.18",
            ),
            "outside the subnet",
        ),
        (('"8080:80"', '"80:80:80:80"'), "is not a published port"),
        (('"8080:80"', '"8080-8090:80-81"'), "differ in length"),
        (('"8080:80"', '"300.1.1.1:8080:80"'), "is not an IP address"),
        (
            ("mode: host-only, node: box", "mode: nat, forwarding: true, node: box"),
            "unknown key 'forwarding'",
        ),
    ],
)
def test_wrong_files_change_nothing(host: Host, change: tuple[str, str], message: str) -> None:
    text = LAB.format(backend="auto")
    assert change[0] in text
    host.write("lab.yaml", text.replace(*change))
    before = host.snapshot()
    failed = host.netorch("apply", "lab.yaml", check=False)
    assert failed.returncode == 1 and message in failed.stderr, failed.stderr
    assert diff_snapshots(before, host.snapshot()) == []


def test_what_the_host_has_already_is_an_error_before_anything_changes(host: Host) -> None:
    host.run("ip", "link", "add", "nic", "type", "veth", "peer", "name", "lan")
    host.run("ip", "link", "set", "nic", "up")
    host.run("ip", "address", "add", "172.17.9.9/24", "dev", "nic")
    lab = (
        'name: lab\nnodes: {web: {networks: [front], publish: ["8080:80"]}}\n'
        "networks: {front: {mode: nat, subnet: SUBNET}}\n"
    )
    host.write("lab.yaml", lab.replace("SUBNET", "172.17.0.0/16"))
    failed = host.netorch("apply", "lab.yaml", check=False)
    assert failed.returncode == 1 and "172.17.9.0/24 by nic" in failed.stderr
    host.write("lab.yaml", lab.replace("SUBNET", "172.30.0.0/16"))
    import sys

    listener = host.start(
        sys.executable,
        "-c",
        "import socket;s=socket.create_server(('',8080));print('ready',flush=True);input()",
    )
    assert listener.stdout is not None and listener.stdout.readline() == "ready\n"
    failed = host.netorch("apply", "lab.yaml", check=False)
    assert failed.returncode == 1 and "listens on tcp port 8080" in failed.stderr
    assert host.ip("link", "show", "type", "bridge") in (None, [])


NARROW = """
name: lab
backend: {nat: BACKEND}
nodes:
  inside: {routes: [{to: default, via: 10.0.0.1}, {to: default, via: "fd00::1"}]}
  gw:
    forwarding: true
    nat:
      - masquerade: {from: 10.0.0.0/24, out: one, proto: [tcp, udp], ports: 1024-1100}
      - snat: {from: "fd00::/64", out: one, proto: [tcp, udp], ports: 2000-2100, random: true, to: "2001:db8::1"}
      - masquerade: {from: 10.0.0.0/24}
  one: {}
links:
  - {endpoints: ["gw:lan", "inside:eth0"], subnet: [10.0.0.0/24, "fd00::/64"]}
  - {endpoints: ["gw:one", "one:eth0"], subnet: [192.0.2.0/30, "2001:db8::/64"]}
"""
ECHO = """
import selectors, socket
waiting = selectors.DefaultSelector()
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", 80))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    waiting.register(sock, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in waiting.select():
        sock = key.fileobj
        if sock.type == socket.SOCK_STREAM:
            there, address = sock.accept()
            there.sendall(f"{address[0].removeprefix('::ffff:')} {address[1]}".encode())
            there.close()
        else:
            _, address = sock.recvfrom(100)
            sock.sendto(f"{address[0].removeprefix('::ffff:')} {address[1]}".encode(), address)
"""
FROM = """
import socket, sys
for word in sys.argv[1:]:
    proto, address, port = word.split(",")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as sock:
        sock.settimeout(5)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", int(port)))
        sock.connect((address, 80))
        if proto == "udp":
            sock.send(b"?")
        print(sock.recv(100).decode())
"""


def seen_from(host: Host, *questions: str) -> list[tuple[str, int]]:
    """Return the address and the port that the server in `one` sees for each question.

    A question is the protocol, the address of the server, and the source port.
    """
    program = (sys.executable, "-c", FROM, *questions)
    lines = host.run("ip", "netns", "exec", "inside", *program).stdout.split("\n")
    pairs = [line.split() for line in lines if line]
    return [(address, int(port)) for address, port in pairs]


def check_source_ports(host: Host, backend: str) -> None:
    """Check the source ports that a server sees, and that a range changed by hand is drift."""
    host.write("lab.yaml", NARROW.replace("BACKEND", backend))
    host.netorch("apply", "lab.yaml")
    assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
    server = host.start("ip", "netns", "exec", "one", sys.executable, "-c", ECHO)
    assert server.stdout is not None and server.stdout.readline() == "ready\n"
    four = [f"{proto},192.0.2.2,{port}" for proto in ("tcp", "udp") for port in (1050, 40000)]
    seen = seen_from(host, *four)
    assert {address for address, _ in seen} == {"192.0.2.1"}
    ports = [port for _, port in seen]
    assert (ports[0], ports[2]) == (1050, 1050), "a port in the range stays"
    assert all(1024 <= port <= 1100 for port in ports), ports
    six = [f"{proto},2001:db8::2,{port}" for proto in ("tcp", "udp") for port in (2050, 40000)]
    seen = seen_from(host, *six)
    assert {address for address, _ in seen} == {"2001:db8::1"}
    assert all(2000 <= port <= 2100 for _, port in seen), seen
    host.run("ip", "netns", "exec", "inside", "ping", "-c1", "-W5", "192.0.2.2")


@pytest.mark.uml
def test_source_ports_with_iptables(host: Host) -> None:
    pytest.importorskip("iptc", reason="python-iptables is not installed")
    check_source_ports(host, "iptables")
    inside = ("ip", "netns", "exec", "gw")
    words = ["-s", "10.0.0.0/24", "-o", "one", "-p", "tcp", "-m", "comment", "--comment"]
    saved = host.run(*inside, "iptables-legacy-save", "-t", "nat").stdout
    chain = "netorch-lab-post"
    rule = f'-A {chain} {" ".join(words)} "nat: masquerade" -j MASQUERADE --to-ports 1024-1100\n'
    assert rule in saved
    tool = (*inside, "iptables-legacy", "-t", "nat", "-R", chain, "2", *words, "nat: masquerade")
    for rest in ("--to-ports 1024-1101", "--to-ports 1024-1100 --random", ""):
        host.run(*tool, "-j", "MASQUERADE", *rest.split())
        check_drift(host, f"-j MASQUERADE {rest}".strip(), "--to-ports 1024-1100")
    six = host.run(*inside, "ip6tables-legacy-save", "-t", "nat").stdout
    assert "-j SNAT --to-source [2001:db8::1]:2000-2100 --random-fully\n" in six


def test_source_ports_with_nftables(host: Host) -> None:
    check_source_ports(host, "nftables")
    inside = ("ip", "netns", "exec", "gw")
    for rest in ("to :1024-1101", "to :1024-1100 random", "fully-random"):
        listed = host.run(*inside, "nft", "-a", "list", "table", "inet", "netorch_lab").stdout
        [line] = [line for line in listed.splitlines() if "tcp masquerade to :1024-1100 " in line]
        place = ("rule", "inet", "netorch_lab", "postrouting", "handle", line.split()[-1])
        words = line.partition("masquerade")[0].split()
        words = (*words, "masquerade", *rest.split(), "comment", '"nat: masquerade"')
        host.run(*inside, "nft", " ".join(("replace", *place, *words)))
        check_drift(host, f"masquerade {rest}", "to :1024-1100")


def check_drift(host: Host, actual: str, desired: str) -> None:
    """Check that a rule which somebody changed differs, and that an apply restores it."""
    diff = host.netorch("diff", "-v", "lab.yaml", check=False).stdout
    lines = [line.strip() for line in diff.splitlines()]
    assert any(line.startswith("- ") and actual in line for line in lines), diff
    assert any(line.startswith("+ ") and desired in line for line in lines), diff
    host.netorch("apply", "lab.yaml")
    assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
