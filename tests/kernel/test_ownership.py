"""Test ownership: neither a text in a foreign namespace nor an equal protocol number proves it."""

from __future__ import annotations

import json
import shutil

import pytest

from netorch.values.marks import Mark
from tests.kernel.host import Host, diff_snapshots, sentences

NIC = """
ip link add eth5 type veth peer name sw5
ip link set sw5 up
ip link set eth5 up mtu 1400 alias "port 5"
ip link property add dev eth5 altname the-nic-in-slot-5
ip address add 192.0.2.1/24 dev eth5
ip -6 address add fd05::1/64 dev eth5 nodad
ip route add 198.51.100.0/24 via 192.0.2.9 metric 7 proto static
"""


def sh(host: Host, script: str) -> str:
    return host.run("sh", "-ec", script).stdout


def start_box(host: Host, user: str = "-Ur") -> int:
    """Start a process in a new network namespace, by default as root of a new user namespace.

    Return its process ID in the private host.
    """
    script = (
        f"unshare {user} --net sh -c 'echo $PPID >/dev/null; "
        "exec sleep 600' </dev/null >/dev/null 2>&1 & pid=$!"
    )
    wait = (
        "while [ /proc/$pid/ns/net -ef /proc/self/ns/net ] || ! grep -q sleep "
        "/proc/$pid/comm; do :; done; echo $pid"
    )
    return int(sh(host, f"{script}; {wait}").split()[0])


def inside(host: Host, pid: int, script: str) -> str:
    """Run a script as root of the box, who has no rights outside it, and return its output."""
    return host.run("nsenter", "-t", str(pid), "-U", "-n", "sh", "-ec", script).stdout


def look(host: Host, pid: int) -> str:
    return inside(
        host,
        pid,
        "ip -d link; ip addr; ip route show table all; ip rule; ip neigh show nud permanent",
    )


# Foreign namespaces


def test_a_text_about_a_nic_moves_nothing(host: Host) -> None:
    """A foreign link claims to be the NIC that another node has.

    The NIC returns to the host, the foreign link stays, and netorch warns of it.
    """
    sh(host, NIC)
    before = host.snapshot()
    pid = start_box(host)
    host.write(
        "lab.yaml",
        f"name: lab\nnodes: {{a: {{interfaces: {{lan0: {{kind: physical, "
        f"from: eth5}}}}}}, box: {{attach: 'pid:{pid}'}}}}",
    )
    host.netorch("apply", "lab.yaml")
    mac = json.loads(sh(host, "ip -n a -j link show lan0"))[0]["address"]
    inside(
        host,
        pid,
        f"""
        ip link add evil address {mac} type veth peer name outer; ip link set evil alias 'netorch:lab from=eth5'
        ip link add worse type veth peer name inner; ip link set worse alias 'netorch:lab from=eth9'
        """,
    )
    there = look(host, pid)
    for command in (["diff", "lab.yaml"], ["apply", "lab.yaml"]):
        done = host.netorch(*command)
        for link, nic in (("evil", "eth5"), ("worse", "eth9")):
            assert (
                f"box/{link} says that it is the host's {nic}, and no record of lab" in done.stderr
            )
    host.netorch("destroy", "lab")
    assert look(host, pid) == there
    assert diff_snapshots(before, host.snapshot()) == []


@pytest.mark.parametrize(
    "disguise",
    [
        "",
        "ip link set lan0 alias ''",
        "ip link set lan0 alias 'netorch:other from=eth6' name eth0 address "
        "02:00:00:00:00:99 mtu 1280",
        "ip link property add dev lan0 altname eth6; "
        "ip link property del dev lan0 altname the-nic-in-slot-5",
        "ip link set lan0 name real; ip link add lan0 type veth peer name in0; "
        "ip link set lan0 alias 'netorch:lab from=eth5'",
    ],
)
def test_a_nic_that_was_lent_to_others_is_known_whatever_they_make_of_it(
    host: Host, disguise: str
) -> None:
    sh(host, NIC)
    sh(host, "ip link add eth6 type ifb")
    before = host.snapshot()
    pid = start_box(host)
    host.write(
        "lab.yaml",
        f"name: lab\nnodes: {{box: {{attach: 'pid:{pid}', "
        f"interfaces: {{lan0: {{kind: physical, from: eth5, "
        f"addresses: 10.9.0.1/24}}}}}}}}",
    )
    host.netorch("apply", "lab.yaml")
    assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
    if disguise:
        inside(host, pid, disguise)
    host.netorch("destroy", "lab")
    assert diff_snapshots(before, host.snapshot()) == []
    assert "lan0" not in inside(host, pid, "ip link") or "in0" in disguise


@pytest.mark.parametrize("moved", ["deleted", "moved on"])
def test_a_nic_that_others_have_made_away_with(host: Host, moved: str) -> None:
    """A foreign link takes the NIC's place, with its name, MAC, index and mark.

    The link stays, and netorch reports that the NIC is gone.
    """
    sh(host, NIC)
    pid = start_box(host)
    host.write(
        "lab.yaml",
        f"name: lab\nnodes: {{box: {{attach: 'pid:{pid}', "
        f"interfaces: {{lan0: {{kind: physical, from: eth5}}}}}}}}",
    )
    host.netorch("apply", "lab.yaml")
    (link,) = json.loads(inside(host, pid, "ip -j link show lan0"))
    away = (
        "ip link del lan0"
        if moved == "deleted"
        else "unshare -n sleep 600 </dev/null >/dev/null 2>&1 & sleep 0.3; "
        "ip link set lan0 netns $!"
    )
    inside(
        host,
        pid,
        f"{away}; ip link add lan0 index {link['ifindex']} address {link['address']} "
        "type veth peer name mine\n"
        "ip link set lan0 alias 'netorch:lab from=eth5'",
    )
    there = look(host, pid)
    done = host.netorch("apply", "lab.yaml", check=False)
    assert done.returncode == 1 and "no record proves it" in done.stderr
    done = host.netorch("destroy", "lab")
    assert (
        "eth5: the host lent this NIC, but it is neither in its node nor on the host" in done.stderr
    )
    assert look(host, pid) == there
    assert "eth5" not in sh(host, "ip -br link")


@pytest.mark.parametrize("end", ["in the host", "in another namespace"])
def test_the_other_end_of_a_nic_is_where_it_was(host: Host, end: str) -> None:
    """netorch recognises a cable by the namespace of its other end.

    It does so even if the host had no number for that namespace when it lent the NIC.
    """
    sh(host, "ip netns add wan; ip link add eth5 type veth peer name sw5")
    if end != "in the host":
        sh(host, "ip link set sw5 netns wan")
    before = host.snapshot()
    pid = start_box(host)
    host.write(
        "lab.yaml",
        f"name: lab\nnodes: {{box: {{attach: 'pid:{pid}', "
        f"interfaces: {{eth5: {{kind: physical}}}}}}}}",
    )
    host.netorch("apply", "lab.yaml")
    inside(host, pid, "ip link set eth5 alias ''")
    assert "alias" in host.netorch("diff", "lab.yaml", check=False).stdout + "alias"
    host.netorch("destroy", "lab")
    assert diff_snapshots(before, host.snapshot()) == []


def test_a_namespace_of_another_user_that_says_that_netorch_made_it(host: Host) -> None:
    pid = start_box(host)
    host.write("lab.yaml", "name: lab\nnodes: {a: {}, evil: {}}")
    host.write("less.yaml", "name: lab\nnodes: {a: {}}")
    sh(host, "mkdir -p /run/netns")
    sh(host, f"ip netns attach evil {pid}")
    inside(host, pid, "ip link set lo alias netorch:lab; ip link add d0 type ifb")
    before = host.snapshot()
    done = host.netorch("apply", "lab.yaml", check=False)
    assert done.returncode == 1
    assert (
        "netns evil: namespace 'evil' exists and belongs to another user namespace" in done.stderr
    )
    host.netorch("apply", "less.yaml")
    host.netorch("destroy", "lab")
    host.netorch("apply", "less.yaml")
    shutil.rmtree(host.root / "run/netorch")
    host.netorch("destroy", "lab")
    sh(host, f"kill -0 {pid}")
    assert diff_snapshots(before, host.snapshot(), ["files: /run/netorch"]) == []


@pytest.mark.parametrize("how", ["attached", "another one"])
def test_a_namespace_with_a_name_that_says_that_netorch_made_it(host: Host, how: str) -> None:
    """The namespace belongs to the same user, like a container that may change its network.

    It is attached, or it is not in the record.
    """
    sh(host, "ip netns add box; ip -n box link set lo alias netorch:lab")
    pid = start_box(host, "")
    sh(host, f"ip netns attach two {pid}; ip -n two link set lo alias netorch:lab")
    box = ", box: {attach: netns:box}" if how == "attached" else ""
    host.write("lab.yaml", f"name: lab\nnodes: {{a: {{}}{box}}}")
    if how == "another one":
        sh(host, "ip -n box link set lo alias ''; ip -n two link set lo alias ''")
    else:
        sh(host, "ip -n two link set lo alias ''")
    before = host.snapshot()
    host.netorch("apply", "lab.yaml")
    sh(host, "ip -n two link set lo alias netorch:lab; ip -n box link set lo alias netorch:lab")
    assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
    host.netorch("destroy", "lab")
    sh(host, f"ip -n two link set lo alias ''; kill -0 {pid}")
    sh(host, f"ip -n box link set lo alias '{'netorch:lab' if how == 'attached' else ''}'")
    assert diff_snapshots(before, host.snapshot()) == []


@pytest.mark.parametrize("lo", ["netorch:lab", ""])
def test_a_namespace_of_another_user_in_the_place_of_a_node(host: Host, lo: str) -> None:
    """Texts in it move no NIC and delete no cable, although the record has its name."""
    sh(host, "ip link add eth5 type ifb; ip addr add 192.0.2.1/24 dev eth5; ip link set eth5 up")
    host.write("lab.yaml", "name: lab\nnodes: {b: {}, z: {interfaces: {eth5: {kind: physical}}}}\n")
    before = host.snapshot()
    host.netorch("apply", "lab.yaml")
    pid = start_box(host)
    sh(
        host,
        f"ip netns del b; touch /run/netns/b; mount --bind /proc/{pid}/ns/net /run/netns/b;"
        " ip link add cable type veth peer name eth0 netns b",
    )
    inside(
        host,
        pid,
        f"ip link set lo alias '{lo}'; ip link set eth0 alias netorch:lab;"
        " ip link add evil type ifb; ip link set evil alias 'netorch:lab from=eth5'",
    )
    there = inside(host, pid, "ip link")
    assert "namespace 'b' exists" in host.netorch("diff", "lab.yaml", check=False).stderr
    host.netorch("destroy", "lab")
    assert inside(host, pid, "ip link") == there
    sh(host, "umount /run/netns/b; rm /run/netns/b; ip link del cable")
    # /run/netns stays, because there was a foreign name in it
    assert diff_snapshots(before, host.snapshot(), ["files: /run/net", "mounts"]) == []


SINCE = ("kind", "permanent", "device", "other", "other_netns", "place", "there", "boot")


@pytest.mark.parametrize("changed", [False, True])
def test_a_nic_that_an_older_version_lent_gets_back_what_it_had(host: Host, changed: bool) -> None:
    """The record of an older version has neither the boot nor the identity of the device.

    netorch relies on the mark then, which only root can write.
    """
    sh(host, NIC)
    before = host.snapshot()
    text = "name: lab\nnodes: {a: {interfaces: {lan0: {kind: physical, from: eth5}}}}\n"
    host.write("lab.yaml", text)
    host.netorch("apply", "lab.yaml")
    record = host.root / "run/netorch/lab/nics.json"
    older = {
        name: {word: value for word, value in had.items() if word not in SINCE}
        for name, had in json.loads(record.read_text()).items()
    }
    record.write_text(json.dumps(older))
    (host.root / "run/netorch/lab/ownership.json").unlink()
    assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
    if changed:
        host.write("lab.yaml", text.replace("eth5}", "eth5, addresses: 10.9.0.1/24}"))
        host.netorch("apply", "lab.yaml")
    assert "goes back bare" not in host.netorch("destroy", "lab").stderr
    assert diff_snapshots(before, host.snapshot(), ["files: /run/netorch"]) == []


def test_a_text_on_an_end_of_a_cable_deletes_nothing_at_the_other_end(host: Host) -> None:
    pid = start_box(host)
    sh(
        host,
        f"ip link add vethbox type veth peer name eth0 netns {pid}; "
        "ip link set vethbox up; ip addr add 172.17.0.1/24 dev vethbox",
    )
    host.write(
        "lab.yaml",
        f"name: lab\nnodes: {{a: {{}}, box: {{attach: 'pid:{pid}'}}}}\n"
        "links: [[a:eth0, box:cable]]",
    )
    before = host.snapshot()
    host.netorch("apply", "lab.yaml")
    for alias in ("netorch:lab", "netorch:lab peer=host:vethbox", "netorch:lab peer=a:eth0"):
        inside(host, pid, f"ip link set eth0 alias '{alias}' group {Mark('lab').group}")
        done = host.netorch("diff", "lab.yaml")
        assert "box/eth0 says that lab made it, and its other end" in done.stderr
        host.netorch("apply", "lab.yaml")
        sh(host, "ip link show vethbox")
    host.netorch("destroy", "lab")
    assert diff_snapshots(before, host.snapshot()) == []
    assert "cable" not in inside(host, pid, "ip link")


@pytest.mark.parametrize("alias", ["netorch:lab", "netorch:lab from=eth9"])
def test_a_link_that_comes_to_the_host_with_a_mark(host: Host, alias: str) -> None:
    """A foreign link is moved to the host with a mark.

    The mark was written in a namespace whose user was root there.
    """
    pid = start_box(host)
    host.write(
        "lab.yaml",
        "name: lab\nnodes: {host: {interfaces: {br0: {kind: bridge}}}, "
        "a: {networks: [n]}}\nnetworks: {n: {mode: host-only, subnet: 10.0.0.0/24}}",
    )
    host.netorch("apply", "lab.yaml")
    inside(
        host,
        pid,
        "ip link add evil type veth peer name in0; "
        f"ip link set evil alias '{alias}' group {Mark('lab').group}",
    )
    sh(
        host,
        f"nsenter -t {pid} -n ip link set evil netns 1; ip link add eth0 type ifb; "
        "ip link set eth0 up;"
        " ip link set evil up; ip addr add 192.0.2.1/24 dev evil; "
        "ip addr add 192.0.2.2/24 dev eth0",
    )
    before = host.snapshot()
    for command in ("diff", "apply"):
        done = host.netorch(command, "lab.yaml")
        assert (
            "host/evil says that" in done.stderr
            and "proves it: netorch leaves it alone" in done.stderr
        )
        assert diff_snapshots(before, host.snapshot(), ["files: /run/netorch"]) == []
    # netorch recognises its own bridge under another name, too
    sh(host, "ip link set br0 down; ip link set br0 name other")
    host.netorch("destroy", "lab")
    links = [link["ifname"] for link in host.ip("link")]
    assert sorted(links) == ["eth0", "evil", "lo"]
    assert "192.0.2.1/24" in sh(host, "ip addr show evil")


# Protocol numbers


MEETING = """\
name: {name}
nodes:
  box:
    attach: '{how}'
    interfaces: {{eth0: {{addresses: ["10.{net}.0.1/24", "fd{net}::1/64"], neighbours: {{address: 10.{net}.0.9, mac: "02:00:00:00:00:01"}}}}}}
    routes: [{{to: 10.1{net}.0.0/16, type: blackhole}}, {{to: 10.2{net}.0.0/16, via: 10.{net}.0.9}}, {{to: "fd99:{net}::/64", type: blackhole}}]
    rules: [{{from: 10.{net}.0.0/16, table: 100, priority: 10{net}}}, {{from: "fd{net}::/32", table: 100, priority: 10{net}}}]
"""


def numbers(host: Host, name: str) -> int:
    text = (host.root / f"run/netorch/{name}/ownership.json").read_text()
    number = json.loads(text)["number"]
    assert isinstance(number, int)
    return number


@pytest.mark.parametrize("place", ["the host", "an attached namespace", "a node of the other"])
@pytest.mark.parametrize("records", ["with records", "the other's is lost", "one's own is lost"])
def test_two_topologies_whose_numbers_agree(host: Host, place: str, records: str) -> None:
    assert Mark("p0").protocol == Mark("p12").protocol
    pid = start_box(host, "")
    nic = "ip link add eth0 type ifb; ip link set eth0 up"
    sh(host, nic)
    sh(host, f"nsenter -t {pid} -n sh -ec '{nic}'")
    first = MEETING.format(name="p0", net=30, how=f"pid:{pid}")
    second = MEETING.format(name="p12", net=40, how=f"pid:{pid}")
    if place == "the host":
        first, second = (
            text.replace(f"  box:\n    attach: 'pid:{pid}'\n", "  host:\n")
            for text in (first, second)
        )
    elif place == "a node of the other":
        first = first.replace(f"    attach: 'pid:{pid}'\n", "").replace(
            "{eth0: {", "{eth0: {kind: ifb, "
        )
        second = second.replace(f"pid:{pid}", "netns:box")
    host.write("p0.yaml", first)
    host.write("p12.yaml", second)
    before = host.snapshot()
    host.netorch("apply", "p0.yaml")
    alone = host.snapshot()
    host.netorch("apply", "p12.yaml")
    both = host.snapshot()
    assert numbers(host, "p0") != numbers(host, "p12")
    for name in ("p0", "p12"):
        assert host.netorch("diff", f"{name}.yaml").stdout == f"{name}: in sync\n"
    notes = ["files: /run/netorch"]
    if records == "the other's is lost":
        shutil.rmtree(host.root / "run/netorch/p0")
        host.netorch("apply", "p12.yaml")
        assert diff_snapshots(both, host.snapshot(), notes) == []
        host.netorch("destroy", "p12")
        assert diff_snapshots(alone, host.snapshot(), notes) == []
        return
    if records == "one's own is lost":
        shutil.rmtree(host.root / "run/netorch/p12")
        host.netorch("destroy", "p12")
        assert diff_snapshots(both, host.snapshot(), notes) == []
        return
    host.write("p12.yaml", second.replace("10.240", "10.24"))
    host.netorch("apply", "p12.yaml")
    host.netorch("apply", "p0.yaml")
    host.netorch("destroy", "p12")
    assert host.netorch("diff", "p0.yaml").stdout == "p0: in sync\n"
    assert diff_snapshots(alone, host.snapshot(), notes) == []
    host.netorch("destroy", "p0")
    assert diff_snapshots(before, host.snapshot(), notes) == []


DAEMON = """
ip route add blackhole 203.0.113.0/24 proto $N
ip -6 route add blackhole fd77::/64 proto $N
ip rule add from 203.0.113.0/24 table 300 priority 3000 protocol $N
ip -6 rule add from fd77::/64 table 300 priority 3000 protocol $N
ip address add 192.0.2.77/24 dev eth0
ip route add 198.51.100.0/24 dev eth0 proto $N
ip neigh add 192.0.2.99 lladdr 02:00:00:00:00:99 dev eth0 nud permanent protocol $N
ip link add other type ifb
ip link set other group $G
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("place", ["the host", "an attached namespace"])
def test_a_daemon_that_has_our_number(host: Host, place: str, when: str) -> None:
    """Objects that are not in the record are the daemon's, although they have netorch's number.

    This holds even where nothing of the topology exists.
    """
    pid = start_box(host, "")
    enter = "" if place == "the host" else f"nsenter -t {pid} -n "
    sh(host, f"{enter}sh -ec 'ip link add eth0 type ifb; ip link set eth0 up'")
    text = MEETING.format(name="p0", net=30, how=f"pid:{pid}")
    if place == "the host":
        text = text.replace(f"  box:\n    attach: 'pid:{pid}'\n", "  host:\n")
    host.write("p0.yaml", text)
    host.write("less.yaml", text.partition("    routes:")[0])
    daemon = f"{enter}env N={Mark('p0').protocol} G={Mark('p0').group} sh -ec '{DAEMON}'"
    see = (
        f"{enter}sh -ec 'ip -br link; ip addr; ip route show table all; ip rule; ip -6 rule; "
        "ip neigh show nud permanent'"
    )
    if when == "before":
        sh(host, daemon)
        untouched = sh(host, see)
        host.netorch("apply", "p0.yaml")
        assert numbers(host, "p0") != Mark("p0").protocol
    else:
        untouched = sh(host, see)
        host.netorch("apply", "p0.yaml")
        assert numbers(host, "p0") == Mark("p0").protocol
        host.netorch("destroy", "p0")
        sh(host, daemon)
        untouched = sh(host, see)
        done = host.netorch("destroy", "p0")
        assert "nothing to destroy" in done.stdout
        if place == "the host":
            assert done.stderr.count("no record says whose it is: netorch leaves it alone") == 6
        sh(host, f"{enter}ip link del other; {enter}ip link del eth0; {enter}ip rule flush || :")
        sh(
            host,
            f"{enter}sh -ec 'ip rule flush; ip -6 rule flush; "
            "ip rule add lookup main pref 32766; ip -6 rule add lookup main pref 32766;"
            " ip route flush proto 148; ip -6 route flush proto 148; "
            "ip link add eth0 type ifb; ip link set eth0 up'",
        )
        host.netorch("apply", "p0.yaml")
        sh(host, daemon)
        assert numbers(host, "p0") == Mark("p0").protocol
    assert host.netorch("diff", "p0.yaml").stdout == "p0: in sync\n"
    host.netorch("apply", "less.yaml")
    left = sh(host, see)
    assert "203.0.113.0/24" in left and "198.51.100.0/24" in left and "192.0.2.99" in left
    host.netorch("destroy", "p0")
    left = sh(host, see)
    for word in (
        "203.0.113.0/24",
        "198.51.100.0/24",
        "fd77::",
        "192.0.2.77",
        "192.0.2.99",
        "other",
    ):
        assert word in left, word
    assert "10.30.0" not in left
    if when == "before":
        assert left == untouched


# Names

TWO = """\
name: lab
nodes: {a: {}, b: {}}
links: [{endpoints: [a:e0, b:e0], subnet: 10.3.0.0/30}]
"""


@pytest.mark.parametrize("records", ["with records", "lost records"])
@pytest.mark.parametrize("name", ["0", "z"])
def test_a_namespace_of_ours_has_a_second_name(host: Host, name: str, records: str) -> None:
    """The second name is like one that `ip netns attach` makes.

    netorch does not take it for a second namespace that it has to delete.
    """
    host.write("lab.yaml", TWO)
    host.netorch("apply", "lab.yaml")
    sh(host, f"touch /run/netns/{name}; mount --bind /run/netns/a /run/netns/{name}")
    both = host.snapshot()
    if records == "lost records":
        shutil.rmtree(host.root / "run/netorch")
    assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
    assert host.netorch("apply", "lab.yaml").stdout == "lab: in sync, nothing to do\n"
    assert diff_snapshots(both, host.snapshot(), ["files: /run/netorch"]) == []
    host.write("other.yaml", TWO.replace("b: {}", f"b: {{}}, '{name}': {{}}"))
    refused = host.netorch("apply", "other.yaml", check=False).stderr
    assert "is another name of the namespace" in refused
    assert diff_snapshots(both, host.snapshot(), ["files: /run/netorch"]) == []
    # a node that leaves the file is deleted under its own name
    host.write("less.yaml", "name: lab\nnodes: {b: {}}\n")
    host.netorch("apply", "less.yaml")
    assert host.netorch("diff", "less.yaml").stdout == "lab: in sync\n"
    assert "e0" not in sh(host, f"ip -n {name} link")
    host.netorch("apply", "lab.yaml")
    assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
    assert "e0" not in sh(host, f"ip -n {name} link")


def test_destroy_leaves_the_name_that_somebody_gave(host: Host) -> None:
    host.write("lab.yaml", TWO)
    host.netorch("apply", "lab.yaml")
    sh(host, "touch /run/netns/z; mount --bind /run/netns/a /run/netns/z")
    done = host.netorch("destroy", "lab")
    assert (
        "/run/netns/z is another name of the namespace 'a': netorch leaves it alone" in done.stderr
    )
    assert sh(host, "ls /run/netns") == "z\n"
    assert "e0" not in sh(host, "ip -n z link")


ODD = {
    "a symbolic link": "ln -s /proc/1/ns/net $P",
    "a symbolic link, ": "ln -s /nowhere $P",
    "a directory": "mkdir $P; touch $P/precious",
    "a named pipe": "mkfifo $P",
    "a device": "mknod $P c 1 3",
    "a file with something in it": "echo precious >$P",
    "a file that is mounted there": "touch $P /run/empty; mount --bind /run/empty $P",
    "a namespace of another kind": "touch $P; mount --bind /proc/self/ns/uts $P",
}


@pytest.mark.parametrize("what", ODD)
def test_something_else_in_the_place_of_our_namespace(host: Host, what: str) -> None:
    host.write("lab.yaml", "name: lab\nnodes: {a: {}, b: {}}\nlinks: [[a:eth0, b:eth0]]")
    host.netorch("apply", "lab.yaml")
    sh(host, f"ip netns del a; P=/run/netns/a; {ODD[what]}")
    see = "stat -c '%N %F %i %s' /run/netns/*; cat /proc/mounts"
    there = sh(host, see)
    message = f"netns a: /run/netns/a is {what.strip(', ')}, not a network namespace"
    for command in ("diff", "apply", "apply"):
        done = host.netorch(command, "lab.yaml", check=False)
        assert done.returncode == 1 and message in done.stderr and done.stdout == "", done.stderr
        assert len(sentences(done.stderr)) == 1
        assert sh(host, see) == there
    done = host.netorch("destroy", "lab")
    assert (
        f"/run/netns/a is {what.strip(', ')}, not a network namespace: netorch leaves it"
        in done.stderr
    )
    assert "/run/netns/a" in sh(host, "stat -c '%N %F' /run/netns/*")
    assert not (host.root / "run/netns/b").exists()
    sh(host, "umount /run/netns/a 2>/dev/null || :; rm -r /run/netns/a")
    host.netorch("apply", "lab.yaml")
    host.netorch("destroy", "lab")


@pytest.mark.parametrize(
    "odd",
    ["ln -s /run/elsewhere $P", "mkfifo $P", "touch $P", "mknod $P c 1 3"],
)
@pytest.mark.parametrize("place", ["/etc/netns/a", "/run/netorch/lab", "/run/netorch"])
def test_something_else_in_the_place_of_our_files(host: Host, place: str, odd: str) -> None:
    """netorch names the place in a message and leaves the object there alone.

    It writes nothing through a symbolic link.
    """
    host.write(
        "lab.yaml",
        "name: lab\nnodes: {a: {}, b: {}}\nlinks: [{endpoints: [a:eth0, b:eth0], "
        "subnet: 10.0.0.0/24}]",
    )
    before = sh(
        host,
        f"mkdir /run/elsewhere; mkdir -p $(dirname {place}); rm -rf {place}; P={place}; "
        f"{odd}; ls -lR /run/elsewhere {place}",
    )
    for command in (["apply", "lab.yaml"], ["diff", "lab.yaml"], ["destroy", "lab"]):
        done = host.netorch(*command, check=False)
        assert "Traceback" not in done.stderr and "internal error" not in done.stderr
        print(command, done.returncode, done.stderr)
        assert place in done.stderr or done.returncode != 1, done.stderr
    assert "lab" not in sh(host, "ls /run/netns 2>/dev/null || :")
    assert sh(host, f"ls -lR /run/elsewhere {place}") == before


def test_what_came_with_the_uplink_goes_home_with_it_whatever_its_number(host: Host) -> None:
    """A daemon's route over the bridge has netorch's number, and moves to the NIC all the same.

    So does everything that is not in the record.
    """
    sh(
        host,
        "ip link add eth0 type veth peer name sw0; ip link set sw0 up; "
        "ip link set eth0 up; ip addr add 192.0.2.1/24 dev eth0",
    )
    host.write(
        "lab.yaml",
        "name: lab\nnodes: {host: {routes: [{to: 198.51.100.0/24, dev: wan}]}, "
        "vm: {networks: [wan]}}\nnetworks: {wan: {mode: bridged, uplink: eth0}}",
    )
    host.netorch("apply", "lab.yaml")
    number = numbers(host, "lab")
    assert f"198.51.100.0/24 dev wan proto {number}" in sh(host, "ip route")
    sh(host, f"ip route add 203.0.113.0/24 via 192.0.2.9 dev wan proto {number}")
    sh(host, f"ip -6 route add fd77::/64 dev wan proto {number}")
    assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
    host.netorch("destroy", "lab")
    assert f"203.0.113.0/24 via 192.0.2.9 dev eth0 proto {number}" in sh(host, "ip route")
    assert f"fd77::/64 dev eth0 proto {number}" in sh(host, "ip -6 route")
    assert "198.51.100.0/24" not in sh(host, "ip route")
