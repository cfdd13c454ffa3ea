"""The Python API: what a program can do with topologies, and what remains afterwards."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.kernel.host import SOURCE, Host, diff_snapshots
from tests.kernel.nobody import HOME, let_nobody_in

PAGE = (SOURCE / "docs/python.md").read_text()
LOCK = ["files: /run/netorch"]

PAIR = """\
import os, signal, subprocess, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
import netorch
def here():
    return tuple(os.stat(f"/proc/thread-self/ns/{kind}").st_ino for kind in ("net", "mnt", "pid", "user"))
home = here()
PAIR = netorch.Topology("pair", nodes={"a": {}, "b": {"aliases": ["www"]}},
    links=[{"endpoints": ["a:eth0", "b:eth0"], "subnet": ["10.0.0.0/30", "fd00::/64"]}],
    checks=[{"from": "a", "to": "b"}, {"from": "a", "to": "b", "tcp": 81}])
"""


def program(host: Host, text: str, *python: str) -> str:
    """Return the output of a program that runs as root, or with the words of `let_nobody_in`."""
    return host.run(*(python or (sys.executable,)), "-W", "error", "-c", PAIR + text).stdout


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


def test_what_the_page_shows(host: Host) -> None:
    host.write("topo.yaml", blocks("yaml")[0])
    before = host.snapshot()
    example, built = blocks("python")
    assert host.run(sys.executable, host.write("lab.py", example)).stdout == blocks("text")[0]
    assert diff_snapshots(before, host.snapshot(), LOCK) == []
    assert (
        host.run(sys.executable, host.write("lab.py", built)).stdout
        == "('server', 'c1', 'c2', 'c3') 18\n"
    )


def test_a_block_ends_with_nothing_left_however_it_ends(host: Host) -> None:
    host.run("ip", "netns", "add", "taken")
    before = host.snapshot()
    out = program(
        host,
        """
def report(what, error):
    print(what, type(error).__name__, *str(error).splitlines(), *"".join(getattr(error, "__notes__", ())).splitlines(), sep=" | ")
def attempt(what, source, inside, **options):
    try:
        with netorch.running(source, **options) as lab:
            inside(lab)
    except BaseException as error:
        report(what, error)
def lock(lab, fail):
    import fcntl
    held = open("/run/netorch/pair.lock", "r+")
    fcntl.flock(held, fcntl.LOCK_EX)
    threading.Timer(1, held.close).start()
    fail and 1 / 0
def stay(lab):
    global process
    process = lab.node("a").popen([sys.executable, "-c", "import time; time.sleep(60)"])
def again(lab):
    attempt("twice", PAIR, stay)
    assert lab.node("a").ping("b")
attempt("error", PAIR, lambda lab: 1 / 0)
attempt("interrupt", PAIR, lambda lab: os.kill(os.getpid(), signal.SIGINT))
attempt("conflict", netorch.Topology("x", nodes={"taken": {}}), stay)
import netorch.converge.compare; netorch.converge.compare.refuse_sysctls = lambda *_: None
attempt("refused", netorch.Topology("x", nodes={"n": {"sysctls": {"net.ipv4.ip_default_ttl": 999}}}), stay)
attempt("nothing", PAIR, stay); print(process.returncode)
attempt("again", PAIR, again)
attempt("kept", PAIR, lambda lab: lock(lab, True), lock_timeout=0)
time.sleep(1.2); netorch.destroy("pair")
attempt("left", PAIR, lambda lab: lock(lab, False), lock_timeout=0)
time.sleep(1.2); print(len(netorch.destroy(PAIR)), bool(netorch.destroy("pair")))
""",
    ).splitlines()
    assert out[0] == "error | ZeroDivisionError | division by zero"
    assert out[1] == "interrupt | KeyboardInterrupt"
    assert out[2].startswith("conflict | ConflictError | <string>:") and "netns taken" in out[2]
    assert out[3].startswith("refused | KernelRefused | <string>:") and out[3].endswith(
        "Rolled back: the kernel is as it was before."
    )
    assert out[4] == "-15"
    assert (
        out[5].startswith("twice | ConflictError | topology 'pair' is live here already")
        and "netorch destroy pair" in out[5]
    )
    assert out[6].startswith(
        "kept | ZeroDivisionError | division by zero | netorch: topology 'pair' could not be removed:"
    )
    assert out[7].startswith("left | LockedError | topology 'pair' is being changed by")
    assert out[8:] == ["4 False"]
    assert diff_snapshots(before, host.snapshot(), LOCK) == []


COMMANDS = """
with netorch.running(PAIR, private=bool(sys.argv[1:])) as lab:
    a, b = lab.node("a"), lab.node("b")
    print(a.run(["sh", "-c", "getent hosts www; ls /sys/class/net; pwd; echo $0 $WORD"], env={**os.environ, "WORD": "x"}).stdout.split())
    print(a.run(["cat"], input=b"\\xff", text=False).stdout, a.run(["sh", "-c", "exit 3"], check=False).returncode)
    for words, options in ((["no-such"], {}), (["/etc/passwd"], {}), (["sh", "-c", "echo oh >&2; exit 4"], {}), ("ls -l", {}), ([], {}),
                           (["sh", "-c", "echo so far; sleep 99 & sleep 99"], {"timeout": 0.5}), (["true"], {"cwd": "/no/such"}), (["sh", "-c", "kill -KILL $$"], {})):
        try: a.run(words, **options)
        except netorch.NetorchError as error: print(type(error).__name__, error, getattr(error, "status", ""))
    trap = a.popen(["sh", "-c", "trap 'echo got; exit 7' TERM; echo ready; while :; do sleep 0.05; done"], stdout=subprocess.PIPE)
    print(trap.stdout.readline().strip()); trap.terminate(); print(trap.communicate()[0].strip(), trap.returncode)
    killed = a.popen(["sleep", "60"]); killed.kill(); print(killed.wait())
    print(a.ping("b") is not None, a.ping("10.0.0.9", timeout=0.3), a.ping("fd00::2", timeout=5) is not None, a.ping(b) is not None)
    print(*b.addresses, b.address, b.interfaces["eth0"].kind, b.interfaces["eth0"].up, b.interfaces["eth0"].mtu)
    with lab.capture("packets"), b.socket() as server:
        server.bind(("10.0.0.2", 80)); server.listen()
        b.wait_for_port(80)
        connect = "import socket; socket.create_connection(('www', 80)).sendall(b'hello')"
        client = a.popen([sys.executable, "-c", connect])
        there, (who, _) = server.accept()
        print(who, there.recv(9), client.wait()); there.close()
    with ThreadPoolExecutor(8) as pool:
        print({len(pool_answer) for pool_answer in pool.map(lambda _: a.run(["cat", "/proc/net/dev"]).stdout.splitlines(), range(16))})
        print({*pool.map(lambda _: here(), range(16)), here()} == {home})
    tried = lab.check()
    print(bool(tried), [(outcome.tcp, outcome.reason) for outcome in tried.failed], str(tried).splitlines()[-1])
    try: lab.node("www")
    except netorch.NetorchError as error: print(error)
    left = a.popen(["sh", "-c", "trap '' TERM; sleep 60"]); time.sleep(0.2)
print(left.returncode)
try: os.waitpid(-1, os.WNOHANG)
except ChildProcessError: print("no child is left")
"""


def expected(folder: Path) -> list[str]:
    return [
        f"['fd00::2', 'b', 'www', 'eth0', 'lo', '{folder}', 'sh', 'x']",
        "b'\\xff' 3",
        "CommandError no-such: command not found 127",
        "CommandError /etc/passwd: Permission denied 126",
        "CommandFailed a: sh -c 'echo oh >&2; exit 4': exit status 4. Its last output: oh 4",
        "CommandError 'ls -l' is not a list of words: write ['ping', '-c', '1', 'r2'], or ['sh', '-c', 'a | b']. 127",
        "CommandError there is no command to run 127",
        "CommandTimeout a: sh -c 'echo so far; sleep 99 & sleep 99' did not end within 0.5 s. Its last output: so far -9",
        "NetorchError /no/such: No such file or directory. ",
        "CommandFailed a: sh -c 'kill -KILL $$': ended by signal 9. -9",
        "ready",
        "got 7",
        "-9",
        "True None True True",
        "10.0.0.2/30 fd00::2/64 10.0.0.2 veth True 1500",
        "10.0.0.1 b'hello' 0",
        "{4}",
        "True",
        "False [(81, 'IPv4: refused by 10.0.0.2: the port is closed; IPv6: refused by fd00::2: the port is closed')] pair: 1 of 2 checks FAILED",
        "topology 'pair' has no node 'www'. There are a, b.",
        "-9",
    ]


def packets(host: Host, folder: Path) -> str:
    return host.run(
        "tcpdump", "-nr", folder / "packets/b.pcapng", "tcp[tcpflags] & tcp-push != 0"
    ).stdout


def test_commands_sockets_and_packets(host: Host) -> None:
    assert program(host, COMMANDS).splitlines() == [*expected(host.directory), "no child is left"]
    assert "10.0.0.2.80: Flags [P.]" in packets(host, host.directory)


def test_the_same_in_a_private_host_without_rights(host: Host) -> None:
    python = let_nobody_in(host)
    before = host.snapshot()
    out = host.run(*python, "-W", "error", "-c", PAIR + COMMANDS, "private").stdout.splitlines()
    assert out == expected(HOME)
    assert "10.0.0.2.80: Flags [P.]" in packets(host, HOME)
    assert diff_snapshots(before, host.snapshot()) == []


def test_private_hosts_of_root(host: Host) -> None:
    before = host.snapshot()
    out = program(
        host,
        """
def leave(lab):
    lab.end()
    lab._context.machine.close()
    with netorch.running(PAIR, private=True) as own:
        return own.node("a").ping("b")
def sleeping():
    return subprocess.run(["pgrep", "-cxf", "sleep 7531"], capture_output=True, text=True).stdout.strip()
with netorch.running(PAIR, private=True) as one, netorch.running(PAIR, private=True) as other:
    one.node("a").run(["ip", "link", "set", "eth0", "down"])
    print(other.node("a").ping("b") is not None, one.diff().counts, bool(other.diff()), os.path.exists("/run/netns"))
    print(one.apply(netorch.Topology("pair", nodes={"c": {}})).counts, [node.name for node in one.nodes], len(other.nodes))
    child = os.fork()
    if not child:
        os._exit(7 if leave(one) else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(one.nodes[0].interfaces))
    try: one.apply(netorch.Topology("other", nodes={}))
    except netorch.NetorchError as error: print(error)
    other.node("a").run(["setsid", "sh", "-c", "exec sleep 7531 >/dev/null 2>&1 & echo"])
    print(sleeping())
print(sleeping())
try: other.diff()
except netorch.KernelRefused as error: print(error)
""",
    )
    assert out.splitlines() == [
        "True {'create': 1, 'update': 1} False False",
        "{'create': 1, 'delete': 4} ['c'] 2",
        "7 1",
        "topology 'other' is not a version of the running topology 'pair': give it the same name.",
        "1",
        "0",
        "the private host is gone: its processes were ended.",
    ]
    assert diff_snapshots(before, host.snapshot()) == []


def test_impatience_leaves_nothing(host: Host) -> None:
    """Two interrupts leave nothing behind, on the host and in a private host.

    The end of a private host does not remove what is in a foreign namespace.
    """
    host.run(
        "sh",
        "-ec",
        "ip netns add other; mkdir /run/others; touch /run/others/o; mount --bind /run/netns/other /run/others/o",
    )
    before = host.snapshot()
    out = program(
        host,
        """
nodes = {f"n{number}": {} for number in range(60)} | {"o": {"attach": "path:/run/others/o", "interfaces": {"br0": {"kind": "bridge"}}}}
links = [{"endpoints": [f"o:e{number}", f"n{number}:e0"]} for number in range(60)]
CROWD = netorch.Topology("crowd", nodes=nodes, links=links)
def interrupt():
    while "br0" not in subprocess.run(["ip", "-n", "other", "link"], capture_output=True, text=True).stdout:
        time.sleep(0.01)
    for pause in (0, 0.05):
        time.sleep(pause)
        os.kill(os.getpid(), signal.SIGINT)
for private in False, True:
    thread = threading.Thread(target=interrupt, daemon=True); thread.start()
    try:
        with netorch.running(CROWD, private=private): time.sleep(60)
    except KeyboardInterrupt: print("interrupted", thread.join())
""",
    )
    assert out == "interrupted None\n" * 2
    assert diff_snapshots(before, host.snapshot(), LOCK) == []


def test_packets_and_files_for_which_there_is_no_room(host: Host) -> None:
    out = program(
        host,
        """
import resource
def attempt(what, work):
    try: work()
    except (OSError, netorch.NetorchError) as error: print(what, type(error).__name__, error)
    print(len(os.listdir("/proc/self/fd")) - here)
def full(capture):
    lab.node("a").ping("b")
    capture.close()
os.makedirs("packets/b.pcapng")
with netorch.running(PAIR, private=True) as lab:
    here = len(os.listdir("/proc/self/fd"))
    attempt("no file:", lambda: lab.capture("packets"))
    attempt("full:", lambda: full(lab.node("a").capture("/dev/full")))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # the limit applies to the numbers, so the free ones below the highest have to be taken too
    taken = [os.dup(0) for _ in range(32)]
    here = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(taken) + 3, most[1]))
    attempt("limit:", lambda: lab.node("a").run(["true"]))
    resource.setrlimit(resource.RLIMIT_NOFILE, most)
    attempt("no limit:", lambda: lab.node("a").run(["true"]))
""",
    ).splitlines()
    assert out == [
        "no file: IsADirectoryError [Errno 21] Is a directory: 'packets/b.pcapng'",
        "0",
        "full: OSError [Errno 28] No space left on device",
        "0",
        "limit: KernelRefused this process has reached its limit on open files. Raise the limit with `ulimit -n`, or close some files.",
        "0",
        "0",
    ]


def test_what_forbids_a_private_host_is_named(host: Host) -> None:
    text = """
for private in False, True:
    try:
        with netorch.running(PAIR, private=private): pass
    except netorch.NetorchError as error: print(type(error).__name__, error)
"""
    without = 'echo 0 >/proc/sys/user/max_user_namespaces; exec setpriv --inh-caps=-all --bounding-set=-all "$@"'
    *user, interpreter = let_nobody_in(host)
    out = host.run(
        *user, "unshare", "-Ur", "sh", "-ec", without, "sh", interpreter, "-c", PAIR + text
    ).stdout.splitlines()
    assert out[0].startswith(
        "LacksError this needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN). Run the program with sudo, or"
    )
    assert out[1] == (
        "LacksError no private host can be made here: a namespace was refused (No space left on device). user.max_user_namespaces is 0:"
        " run `sysctl -w user.max_user_namespaces=10000` as root, or run this as root."
    )


@pytest.mark.parametrize("line", ["import netorch", "import netorch.pytest_plugin"])
def test_nothing_is_loaded_before_it_is_used(line: str, host: Host) -> None:
    heavy = "pydantic", "yaml", "ctypes", "netorch.errors", "netorch.kernel"
    out = host.run(
        sys.executable,
        "-c",
        f"import pytest, sys; before = {{*sys.modules}}; {line}; print(*sys.modules.keys() - before)",
    ).stdout
    assert not {name for name in out.split() if name.startswith(heavy)} - {"ctypes"}
    assert host.run(
        sys.executable,
        "-c",
        "import netorch; assert {*netorch.__all__} <= {*dir(netorch)}; [getattr(netorch, n) for n in netorch.__all__]",
    )


LEADING_OUT = {
    "nat": "networks: {lan: {mode: nat, subnet: 10.0.0.0/24}}",
    "nat by iptables": "backend: {nat: iptables}\nnetworks: {lan: {mode: nat, subnet: 10.0.0.0/24}}",
    "routed": 'networks: {lan: {mode: routed, subnet: ["10.0.0.0/24", "fd00::/64"]}}',
    "host-only": "networks: {lan: {mode: host-only, subnet: 10.0.0.0/24}}",
    "settings": "networks: {lan: {subnet: 10.0.0.0/24}}",
}


@pytest.mark.parametrize("forwards", [0, 1])
@pytest.mark.parametrize("what", LEADING_OUT)
def test_settings_of_the_host_are_not_a_topology_that_is_live(
    host: Host, what: str, forwards: int
) -> None:
    """The settings get their previous values back, whatever those are."""
    host.run("ip", "netns", "add", "box")
    host.run("sh", "-c", f"echo {forwards} >/proc/sys/net/ipv4/ip_forward")
    node = "{attach: 'netns:box', forwarding: true, sysctls: {net.ipv4.conf.all.rp_filter: 2}}"
    host.write(
        "topo.yaml",
        "name: lab\nnodes:\n  a: {networks: [lan]}\n  host: {forwarding: true, sysctls: {net.core.somaxconn: 4000}}\n"
        f"  b: {node}\n{LEADING_OUT[what]}\n",
    )
    before = host.snapshot()
    out = program(
        host,
        """
for private in (False, True):
    source = open("topo.yaml").read()
    if private: source = source.replace("attach: 'netns:box', ", "")
    with netorch.running(source, private=private) as lab:
        print(len(lab.applied) > 0, bool(lab.diff()))
netorch.apply("topo.yaml")
try:
    with netorch.running("topo.yaml"): pass
except netorch.ConflictError as error: print(error.problems[0].code)
netorch.destroy("lab")
""",
    )
    assert out.splitlines() == ["True False", "True False", "already-live"]
    # the ignored lines are empty iptables tables
    assert diff_snapshots(before, host.snapshot(), [*LOCK, "host: iptables"]) == []
