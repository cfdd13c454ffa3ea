"""Test what netorch must not trust.

These are names in a file, files below /run/netorch, namespaces that come and go, and slow kernels.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time

import pytest

from tests.kernel.campaign import LONG, add_figure, spread
from tests.kernel.host import Host, Snapshot
from tests.kernel.test_failure import GOOD, OWN_FILES, server, settled, sh, shot
from tests.kernel.test_faults import NETORCH

NAMES = (
    *(
        "../../x",
        "a/b",
        ".",
        "..",
        "",
        "\0",
        "a\nb",
        "x" * 4096,
        "\u202eabc",
        "e\u0301",
        "\u00e9",
        "all",
        "default",
        "lo",
    ),
    *(
        "-h",
        "--help",
        "$(id)",
        "`id`",
        "a;b",
        "'",
        '"',
        "accept",
        "drop",
        "{",
        "}",
        "#x",
        "a b",
        "%s",
        "*",
        "~",
        "host",
        "/etc/passwd",
    ),
)
FIELDS = {
    "topology": "name: $\nnodes: {a: {}, b: {}}\nlinks: [[a:eth0, b:eth0]]\n",
    "prefix": "name: lab\nprefix: $\nnodes: {a: {}, b: {}}\nlinks: [[a:eth0, b:eth0]]\n",
    "node": "name: lab\nnodes: {$: {networks: [lan]}, b: {networks: [lan]}}\n"
    "networks: {lan: {subnet: 10.0.0.0/24}}\n",
    "network": "name: lab\nnodes: {a: {networks: [$]}, b: {networks: [$]}}\n"
    "networks: {$: {mode: nat, subnet: 10.0.0.0/24}}\n",
    "interface": "name: lab\nnodes: {a: {interfaces: {$: {kind: bridge}}}}\n",
    "its name in a network": "name: lab\nnodes: {a: {networks: {lan: {name: $}}}}\n"
    "networks: {lan: {subnet: 10.0.0.0/24}}\n",
    "bridge": "name: lab\nnodes: {a: {networks: [lan]}}\nnetworks: {lan: {bridge: $}}\n",
    "alias": "name: lab\nnodes: {a: {networks: [lan], aliases: [$]}}\n"
    "networks: {lan: {subnet: 10.0.0.0/24}}\n",
    "search domain": "name: lab\nnodes: {a: {dns: {servers: [9.9.9.9], search: $}}}\n",
    "description": "name: lab\nnodes: {a: {interfaces: {br0: {kind: bridge, description: $}}}}\n",
    "sysctl": "name: lab\nnodes: {a: {sysctls: {$: 1}}}\n",
    "value of a sysctl": "name: lab\nnodes: {a: {sysctls: {net.ipv4.ip_forward: $}}}\n",
    "parent": "name: lab\nnodes: {a: {interfaces: {mv0: {kind: macvlan, parent: $}}}}\n",
    "attach": "name: lab\nnodes: {a: {attach: $}}\n",
    "attached namespace": "name: lab\nnodes: {a: {attach: NETNS}}\n",
    "key file": "name: lab\nnodes: {a: {interfaces: {wg0: {kind: wireguard, private_key_file: $}}}}\n",
}
ALL = r"""
import json, os, sys
from netorch.cli import main
for number, text in enumerate(json.load(open("files.json"))):
    with open("topo.yaml", "w") as file:
        file.write(text)
    status = main(["apply", "-q", "topo.yaml"])
    sys.stderr.flush()
    print(number, status, flush=True)
    if status == 0:
        main(["destroy", "-q", "--all"])
"""
OURS = re.compile(
    r"^/(run/netns|run/netorch|etc/netns|proc/|sys/|run/xtables\.lock|dev/null)|^topo\.yaml$"
)
WRITES = re.compile(
    r"^\d+ +(mkdir|rmdir|unlink|rename|link|symlink|chmod|chown|mknod|truncate|mount|umount)|O_WRONLY|O_RDWR|O_CREAT"
)


@pytest.fixture
def before(host: Host) -> Snapshot:
    sh(
        host,
        "ip link add eth9 type ifb; ip link set eth9 up; "
        "ip addr add 192.0.2.1/24 dev eth9; ip netns add other",
    )
    host.write("topo.yaml", GOOD)
    host.netorch("apply")
    host.netorch("destroy")
    return shot(host)


def quoted(name: str) -> str:
    """Return the name as a YAML scalar in double quotes, which can hold any text."""
    return json.dumps(name)


def test_names_lead_nowhere(host: Host, before: Snapshot) -> None:
    """Each text, in each place for a name, is an error or a name like any other.

    netorch starts no program, and writes only to its own places.
    """
    files = [
        text.replace("NETNS", quoted(f"netns:{name}")).replace("$", quoted(name))
        for text in FIELDS.values()
        for name in NAMES
    ]
    host.write("files.json", json.dumps(files))
    done = host.run(
        *(
            "strace",
            "-f",
            "-qqq",
            "-y",
            "-s",
            "5000",
            "-e",
            "trace=%file,execve",
            "-e",
            "signal=none",
            "-o",
            "trace.txt",
        ),
        *(sys.executable, "-c", ALL),
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == len(files)
    assert "Traceback" not in done.stderr, done.stderr
    assert "internal error" not in done.stderr, done.stderr
    lines = (host.directory / "trace.txt").read_text(errors="replace").splitlines()
    assert len(lines) > len(files)
    started = [line for line in lines if "execve(" in line]
    assert len(started) == 1, started
    # strace prints a call that another thread interrupts in two lines; the first has the path
    wrong = [
        line
        for line in lines
        if WRITES.search(line) and "resumed>" not in line and not OURS.search(_path(line))
    ]
    assert wrong == [], wrong[:10]
    assert settled(before, host, OWN_FILES) == []
    add_figure(
        f"{len(files)} files with hostile names: "
        f"{sum(' 0' in line for line in done.stdout.splitlines())} of them valid"
    )


def _path(line: str) -> str:
    """Return the last path of a call, which is the target of a rename or a mount.

    strace prints the path of a directory after its descriptor.
    """
    paths = re.findall(r'(?:\d+<([^>]*)>, )?"((?:[^"\\]|\\.)*)"', line)
    folder, name = next(
        (pair for pair in reversed(paths) if pair[0] or "/" in pair[1]),
        paths[0] if paths else ("", ""),
    )
    return os.path.normpath(os.path.join(folder, name))


def test_a_record_cut_short_anywhere(host: Host, before: Snapshot) -> None:
    """Cut each file of the record at many places.

    netorch reports or rewrites the file, and touches no foreign object.
    """
    tried = 0
    with server(host) as run:
        run("apply", "topo.yaml")
        place = host.root / "run/netorch/lab"
        whole = {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}
        assert {"topology.yaml", "meta.json", "sysctls.json"} <= whole.keys()
        applied = shot(host)
        for name, data in sorted(whole.items()):
            for turn, size in enumerate(spread(len(data), 6)):
                (place / name).write_bytes(data[: size - 1])
                tried += 1
                assert run("list")["status"] == 0, (name, size)
                assert run("diff", "topo.yaml")["status"] in (0, 1, 2), (name, size)
                if turn % 2:
                    answer = run("destroy", "lab")
                    assert answer["status"] == 0, (name, size, answer["output"])
                    # only the record holds the original values of the host's sysctls
                    sh(host, "sysctl -qw net.ipv4.conf.default.rp_filter=0")
                    ignore = [*OWN_FILES, "host: sysctl net/ipv4/conf"]
                    assert settled(before, host, ignore) == [], (name, size, answer["output"])
                answer = run("apply", "topo.yaml")
                assert answer["status"] == 0, (name, size, answer["output"])
                assert run("diff", "topo.yaml")["status"] == 0, (name, size)
                assert settled(applied, host, [*OWN_FILES, "mounts: "]) == [], (name, size)
                for other, content in whole.items():
                    (place / other).write_bytes(content)
        run("destroy", "lab")
    assert settled(before, host) == []
    add_figure(f"records cut short at {tried} places")


def test_namespaces_come_and_go_while_they_are_read(host: Host, before: Snapshot) -> None:
    host.netorch("apply")
    one, all_of_them = "ip netns add come$n; ip -n come$n link set lo up", "for n in 1 2 3; do"
    churn = f"while :; do {all_of_them} {one}; done; {all_of_them} ip netns del come$n; done; done"
    background = host.start("sh", "-c", churn)
    deadline, looks = time.monotonic() + (60 if LONG else 5), 0
    try:
        while time.monotonic() < deadline:
            for words in (["diff", "topo.yaml"], ["list"], ["apply", "topo.yaml"]):
                done = host.netorch(*words, check=False)
                assert done.returncode == 0, (words, done.stderr)
                assert words[0] != "diff" or done.stdout == "lab: in sync\n", done.stdout
                looks += 1
    finally:
        background.signal(signal.SIGKILL)
        background.communicate(timeout=30)
        sh(host, "for n in 1 2 3; do ip netns del come$n 2>/dev/null || true; done")
    host.netorch("destroy")
    assert settled(before, host) == []
    add_figure(f"{looks} reads while namespaces came and went")


@pytest.mark.parametrize("calls", ["sendto,sendmsg", "recvmsg", "mount", "openat"])
def test_a_kernel_that_takes_its_time(host: Host, before: Snapshot, calls: str) -> None:
    """Every tenth call takes 0.3 s longer, and the apply succeeds.

    A second apply waits for the lock no longer than `--lock-timeout` allows.
    """
    slow = (
        "strace",
        "-f",
        "-qqq",
        "-o",
        "/dev/null",
        "-e",
        f"trace={calls}",
        "-e",
        f"inject={calls}:delay_enter=300000:when=1+10",
    )
    first = host.start(*slow, *NETORCH, "apply", "-q", "topo.yaml")
    deadline = time.monotonic() + 60
    while (
        not (host.root / "run/netns/a").exists()
        and first.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    started = time.monotonic()
    second = host.netorch("apply", "--lock-timeout", "0.5", "topo.yaml", check=False)
    waited = time.monotonic() - started
    _, errors = first.communicate(timeout=240)
    assert first.returncode == 0, errors
    assert second.returncode in (0, 1) and (
        "is being changed by process" in second.stderr or second.returncode == 0
    ), second.stderr
    assert waited < 60
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.netorch("destroy")
    assert settled(before, host) == []


def test_a_terminal_gets_no_orders_from_what_others_made(host: Host) -> None:
    """Anybody can put any text into names of links, aliases and comments of rules."""
    host.write(
        "topo.yaml",
        "nodes: {a: {networks: [lan]}}\nnetworks: {lan: {mode: nat, "
        "subnet: 10.0.0.0/24}}\nchecks: [{from: a, to: 9.9.9.9}]\n",
    )
    host.netorch("apply")
    sh(
        host,
        r"""evil=$(printf 'e\033[31m'); ip link add "$evil" type ifb; ip link set "$evil" up; ip route add 9.9.0.0/16 dev "$evil"
        ip -n a link set eth0 alias "$(ip -n a -o link show eth0 | sed 's/.*alias //')$(printf ' \033]0;x\007')"
        nft add rule inet netorch_topo forward ip daddr 9.9.9.9 drop comment "\"$evil\""
        nft 'table inet t { chain c { type filter hook output priority 0; }; }'
        nft add rule inet t c ip daddr 9.9.9.8 drop comment "\"$evil\"" """,
    )
    outputs = {}
    for words in (
        "explain a 9.9.9.9",
        "explain host 9.9.9.8",
        "explain host 9.9.1.1",
        "check -v --timeout 0.2",
        "diff -v",
        "show",
        "graph --live",
    ):
        done = host.netorch(*words.split(), check=False)
        outputs[words] = done.stdout + done.stderr
        assert done.returncode in (0, 2), outputs[words]
        assert "\x1b" not in outputs[words] and "\x07" not in outputs[words], outputs[words]
    assert all(r"\x1b" in outputs[words] for words in outputs if words != "graph --live"), outputs
