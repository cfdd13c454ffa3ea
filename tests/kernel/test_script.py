"""Test that `netorch explain FILE` prints a script that makes the same as `netorch apply FILE`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from string import Template

import pytest

from tests.kernel.everykind import NIC, every_kind
from tests.kernel.host import PATH, Host, Snapshot, diff_snapshots
from tests.kernel.kindcase import require
from tests.kernel.test_topologies import AROUND, FILES, FOLDER, NEEDS, THIRD, copied

DOCKER = """\
#!/bin/sh -e
# docker inspect --format FORMAT NAME, of the stand-in
exec python3 - "$4" <<'END'
import http.client, json, socket, sys
connection = http.client.HTTPConnection("docker")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect("/run/docker.sock")
connection.request("GET", f"/containers/{sys.argv[1]}/json")
print(json.load(connection.getresponse())["State"]["Pid"])
END
"""

DEFAULT = (
    (r'"num_[rt]x_queues": \d+(, )?', ""),
    (r'("learning": \w+), "link": "[^"]*"', r"\1"),
    (r'"expires": \d+, ', ""),
)
"""Parts of a snapshot that differ for harmless reasons, with what replaces them.

netorch makes cables with one queue, which is quicker, and a user would not type that. If the other
end of a cable is in another namespace, bridge(8) looks up its index in the wrong one. Expiry times
count down.
"""
MARKS = (
    (r'"group": "\d+"', '"group": "default"'),
    (r'"ifalias": "netorch:[^ "]*( (peer|uplink|from)=[^ "]*)* ?', '"ifalias": "'),
    (r'"ifalias": ""(, )?', ""),
    (r',? "protocol": "(1\d\d|boot|unspec)"', ""),
    (r"# netorch:[^:]*: written by `netorch apply`, removed by `netorch destroy`\\n", ""),
)
"""Patterns of what a script without --marks leaves out. ip(8) gives routes the protocol `boot`."""


def without(shot: Snapshot, *patterns: tuple[str, str]) -> Snapshot:
    """Return the snapshot without what the patterns match, and without netorch's own files."""

    def cut(text: str) -> str:
        for pattern, instead in patterns:
            text = re.sub(pattern, instead, text)
        return text

    return {
        where: {
            cut(what): cut(text)
            for what, text in items.items()
            if not what.startswith("/run/netorch")
        }
        for where, items in shot.items()
    }


def run_script(host: Host, file: Path, *options: str) -> None:
    """Run the script of a file as a user does who has `docker`, but not netorch."""
    tools = host.directory / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "docker").write_text(DOCKER)
    (tools / "docker").chmod(0o755)
    script = host.write("script.sh", host.netorch("explain", *options, file).stdout)
    done = host.run("sh", script, env={"PATH": f"{tools}:{PATH}"})
    assert (done.stdout, done.stderr) == ("", "")


def knows_protocols(host: Host) -> bool:
    """Return whether ip(8) can mark an address (iproute2 6.4)."""
    return (
        host.run(
            "unshare",
            "-n",
            "ip",
            "address",
            "add",
            "127.0.0.2/32",
            "dev",
            "lo",
            "proto",
            "100",
            check=False,
        ).returncode
        == 0
    )


def check_in_sync(host: Host, file: Path, name: str) -> None:
    diff = host.netorch("diff", file, check=False)
    assert (diff.stdout, diff.returncode) == (f"{name}: in sync\n", 0)


def check_equals_apply(host: Host, file: Path, name: str, *, plain: bool = True) -> None:
    """Check that the script of a file makes the same as an apply of the file.

    netorch compares the state that the marked script makes. A snapshot compares the state that the
    script without marks makes or, if `plain` is false, that of the marked script.
    """
    host.netorch("apply", file)
    applied = without(host.snapshot(), *DEFAULT, *MARKS)
    host.netorch("destroy", file)
    if name in MARKED_ADDRESSES and not knows_protocols(host):
        before = host.snapshot()
        refused = host.run("sh", "-c", host.netorch("explain", "--marks", file).stdout, check=False)
        assert (refused.returncode, refused.stderr) == (
            1,
            "ip address does not know proto: install iproute2 6.4 or newer\n",
        )
        assert diff_snapshots(before, host.snapshot()) == []
    else:
        run_script(host, file, "--marks")
        check_in_sync(host, file, name)
        if plain:
            host.netorch("destroy", file)
    if plain:
        run_script(host, file)
    assert diff_snapshots(applied, without(host.snapshot(), *DEFAULT, *MARKS)) == []


MARKED_ADDRESSES = {"vm-modes"}
"""Files with an address on a link that may have foreign addresses, too."""


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path,
            id=path.stem,
            marks=[pytest.mark.qemu if path.stem in THIRD else pytest.mark.uml]
            if path.stem in NEEDS
            else [],
        )
        for path in FILES
    ],
)
def test_the_script_of_a_topology_is_an_apply_of_it(host: Host, path: Path) -> None:
    require(host, *NEEDS.get(path.stem, ()))
    AROUND.get(path.stem, lambda _: None)(host)
    file = copied(host, path) if path.with_suffix("").is_dir() else path
    if path.stem == "star-100" or path.stem in NEEDS:
        # with a hundred nodes, or on a test kernel where snapshots are slow, a diff is enough
        run_script(host, file, "--marks")
        check_in_sync(host, file, path.stem)
    else:
        check_equals_apply(host, file, path.stem)


@pytest.mark.uml
def test_every_kind_of_object_has_its_command(host: Host) -> None:
    # Linux copies a default to existing links only when it is set for the first time
    # (devinet_copy_dflt_conf)
    words = every_kind(host)[0].replace("conf.default.rp_filter", "conf.all.rp_filter")
    # every test kernel has this backend
    file = host.write("lab.yaml", f"{words}backend: {{nat: iptables}}\n")
    host.run("sh", "-ec", NIC)
    check_equals_apply(host, file, "lab", plain=False)


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_the_script_has_the_commands_of_either_backend(host: Host, backend: str) -> None:
    file = host.write(
        "publish.yaml", (FOLDER / "publish.yaml").read_text() + f"backend: {{nat: {backend}}}\n"
    )
    check_equals_apply(host, file, "publish")


UPLINK = """
name: up
nodes: {vm: {networks: {office: {address: 192.168.1.9}}}}
networks: {office: {mode: bridged, uplink: eth0, subnet: 192.168.1.0/24, gateway: 192.168.1.1}}
"""
OFFICE = """
ip netns add office
ip link add eth0 address 02:00:00:00:00:e0 type veth peer name wire netns office
ip -n office link set wire up; ip -n office addr add 192.168.1.1/24 dev wire
ip link set eth0 up; ip addr add 192.168.1.5/24 brd + dev eth0; ip addr add 10.9.9.9 peer 10.9.9.8/32 dev eth0
ip addr add fd00:5::5/64 dev eth0 nodad; ip addr add 2001:db8::5/128 dev eth0 valid_lft 5000 preferred_lft 4000
ip route add default via 192.168.1.1 metric 50 proto dhcp; ip -6 route add default via fd00:5::1 dev eth0
"""


def test_a_bridge_takes_over_what_its_uplink_has(host: Host) -> None:
    host.run("sh", "-ec", OFFICE)
    check_equals_apply(host, host.write("up.yaml", UPLINK), "up")
    assert host.ping("vm", "192.168.1.5")
    assert host.ping("vm", "192.168.1.1")


CHANGED = """
name: lab
nodes:
  a:
    networks: {lan: {port: {hairpin: $HAIRPIN}}}
    interfaces: {x: {impair: {rate: $RATE}, addresses: [$A2], mtu: $MTU}, br0: {kind: bridge, ageing_time: $AGE}$MORE}
    routes: [{to: 10.9.0.0/16, via: $VIA}]
    publish: [$PORT]
  b: {}
  host: {sysctls: {net.ipv4.conf.default.log_martians: $LOG}}
networks: {lan: {mode: nat, subnet: 10.1.0.0/24}}
links: [{endpoints: [a:x, b:x], subnet: 10.2.0.0/24}]
"""
BEFORE = {
    "A": "10.1.0.9",
    "HAIRPIN": "true",
    "RATE": "10mbit",
    "A2": "10.3.0.1/24",
    "MTU": "9000",
    "AGE": "60s",
    "MORE": ", gone: {kind: bridge}",
}
BEFORE |= {"VIA": "10.2.0.2", "PORT": "8080:80", "LOG": "0"}
AFTER = {
    "HAIRPIN": "false",
    "RATE": "20mbit",
    "A2": "10.4.0.1/24",
    "MTU": "1400",
    "AGE": "70s",
    "MORE": "",
}
AFTER |= {"VIA": "10.2.0.3", "PORT": "8081:80", "LOG": "1"}


def test_the_commands_of_a_verbose_diff_make_the_changes(host: Host) -> None:
    file = host.write("lab.yaml", Template(CHANGED).substitute(BEFORE))
    host.netorch("apply", file)
    file.write_text(Template(CHANGED).substitute(AFTER))
    text = host.netorch("diff", "-v", file, check=False).stdout
    assert "    $ tc -n a qdisc replace dev x root tbf rate 20mbit " in text
    document = json.loads(host.netorch("diff", "-v", "-o", "json", file, check=False).stdout)
    assert (
        "commands"
        not in json.loads(host.netorch("diff", "-o", "json", file, check=False).stdout)["changes"][
            0
        ]
    )
    script = [command for change in document["changes"] for command in change["commands"]]
    assert [f"    $ {command.splitlines()[0]}" for command in script] == [
        line for line in text.splitlines() if line.startswith("    $ ")
    ]
    # these commands leave out nothing but the marks of files
    marked = "\n".join(script).replace(
        "<<'EOF'\n127.0.0.1",
        "<<'EOF'\n# netorch:lab: written by `netorch apply`, "
        "removed by `netorch destroy`\n127.0.0.1",
    )
    host.run("sh", "-ec", marked)
    check_in_sync(host, file, "lab")


def test_it_needs_no_root_and_no_kernel(host: Host) -> None:
    file = FOLDER / "veth-pair.yaml"
    command = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--",
        sys.executable,
        "-m",
        "netorch",
        "explain",
    ]
    document = json.loads(host.run(*command, "--marks", "-o", "json", file).stdout)
    assert (document["topology"], document["marks"]) == ("veth-pair", True)
    lines = host.run(*command, "--marks", file).stdout
    assert all(
        entry["command"] in lines and f"# {entry['section']}" in lines
        for entry in document["commands"]
    )
    wrong = host.run(*command, file, file, file, check=False)
    assert (wrong.returncode, wrong.stdout) == (64, "")
    missing = host.run(*command, FOLDER / "nowhere.yaml", check=False)
    assert (missing.returncode, missing.stderr) == (
        1,
        f"netorch: {FOLDER}/nowhere.yaml: No such file or directory.\n",
    )
