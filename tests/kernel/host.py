"""A private host for one test: a network, mounts and processes of its own on the running kernel.

This module looks at Linux only through other tools (ip, bridge, tc, nft, iptables, grep), never
through netorch's own reader, so that tests compare netorch with an independent source.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import netorch
from netorch.kernel.files.state_cache import COMPARED
from netorch.kinds.base.ip_tunnel import MADE_BY_LINUX
from tests.kernel.warm import Warm

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SOURCE = Path(netorch.__file__).resolve().parent.parent

# Runs as process 1 of the private host. It reads its outer PID before it replaces /proc. `cat` ends
# with its input, a pipe that only the test's process holds. So process 1 ends however that process
# ends, and the kernel ends everything else in the private host with it.
HOLDER = """
read -r pid rest </proc/self/stat
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /etc/netns
[ ! -S /dev/log ] || mount --bind /dev/null /dev/log
echo 0 >/proc/sys/net/ipv4/ip_forward
ip link set lo up
echo "$pid"
exec cat >/dev/null
"""

# One namespace as other tools print it: sections of `0x1e NAME newline CONTENT`. It starts few
# processes, because the start of one costs 70 ms under user-mode Linux: a tool prints all its
# objects in one batch, and a command that can print nothing here is left out.
LOOK = r"""
section() { printf '\036%s\n' "$1"; }
section ip
links=$(ip -j -d -batch - <<END
address show
route show table all
rule show
neighbour show nud permanent
neighbour show proxy
END
)
printf '%s' "$links"
section rules6; ip -j -d -6 rule show
case $links in *'"info_kind":"bridge"'*) section vlans; bridge -j vlan show ;; esac
case $links in *'"info_kind":"bridge"'*|*'"info_kind":"vxlan"'*) section bridge; bridge -j -d -batch - <<END
link show
fdb show
END
;; esac
section qdiscs; tc -j qdisc show
if command -v nft >/dev/null; then section nft; nft list ruleset; fi
if read -r table </proc/net/ip_tables_names; then section iptables; iptables-legacy-save; fi
if read -r table </proc/net/ip6_tables_names; then section ip6tables; ip6tables-legacy-save; fi
section sysctls; grep -r '' /proc/sys/net
"""

# The sections of a tool that prints several kinds of objects, one JSON list each.
BATCHES = {
    "ip": ("addresses", "routes", "rules4", "neighbours", "proxies"),
    "bridge": ("ports", "fdb"),
}

LOOK_EVERYWHERE = r"""
exec 2>/dev/null
printf '\035host\n'; sh -c "$0"
for path in /run/netns/*; do
    [ -e "$path" ] || continue
    printf '\035netns %s\n' "${path##*/}"
    nsenter --net="$path" sh -c "$0" || printf '\036broken\nno namespace'
done
printf '\035mounts\n'; cat /proc/self/mountinfo
"""

# Keys whose values change by themselves, or do not depend on the configuration.
VOLATILE = {
    # numbers that the kernel counts up; links and masters are compared by name
    *("ifindex", "link_index", "link_netnsid", "new_netnsid", "id", "no", "handle"),
    # carrier and spanning tree follow the other end a little later; the configured IFF_UP is still
    # compared, in `flags`
    *(
        "operstate",
        "state",
        "root_id",
        "root_port",
        "root_path_cost",
        "designated_port",
        "designated_cost",
        "designated_bridge",
    ),
    *("topology_change", "topology_change_detected", "topology_change_ack", "config_pending"),
    # timers
    *(
        "hello_timer",
        "tcn_timer",
        "topology_change_timer",
        "gc_timer",
        "hold_timer",
        "message_age_timer",
        "forward_delay_timer",
    ),
    # lifetimes of addresses from a router count down; duplicate address detection takes a second
    *("valid_life_time", "preferred_life_time", "tentative"),
    # users of a qdisc, and listeners on a link such as tcpdump or a bridge
    *("refcnt", "promiscuity", "allmulti"),
}
VOLATILE_FLAGS = {"LOWER_UP", "NO-CARRIER", "M-DOWN", "PROMISC", "ALLMULTI", "linkdown", "dead"}
COUNTERS = re.compile(r"(?<=counter) packets \d+ bytes \d+| \[\d+:\d+\]$")
VOLATILE_SYSCTLS = {"net/netfilter/nf_conntrack_count"}

UNFORESEEN = """\
import sys
import netorch.converge.compare, netorch.converge.preflight, netorch.resolve.topology
from netorch.cli import main
netorch.converge.compare.refuse_sysctls = lambda *_: None
netorch.converge.compare.refuse_shortages = lambda *_: []
netorch.converge.preflight.gateway_obstacles = lambda *_: ()
netorch.resolve.topology.check_gateways = lambda draft: None
"""
"""A netorch that does not check gateways, settings and limits first.

Linux refuses them during an apply.
"""

_WARM = Warm()

_EXCERPT = re.compile(r" *\d* \| ")


def sentences(output: str) -> list[str]:
    """Return the lines of an error output without those that show the file."""
    return [line for line in output.splitlines() if not _EXCERPT.match(line)]


Snapshot = dict[str, dict[str, str]]
"""Place (`host`, `netns r1`, `files`, `mounts`) → object (`link eth0`) → its text."""


class Host:
    """A private host for one test. Its commands run in `directory`, and its files are there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        Path("/etc/netns").mkdir(exist_ok=True)  # a mount point, which stays empty
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", HOLDER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.environment(),
            text=True,
        )
        assert self._holder.stdout is not None
        answer = self._holder.stdout.readline().strip()
        if not answer:
            self.close()
            raise RuntimeError(
                "the private host was not made: unshare or a mount was refused, see the lines "
                "above; run the tests as root"
            )
        self.pid = int(answer)
        """PID of the private host's process 1, as the test's own process sees it."""

    def close(self) -> None:
        """End every process of the private host. The kernel then drops its namespaces."""
        if self._holder.poll() is None:
            for stream in (self._holder.stdin, self._holder.stdout):
                assert stream is not None
                stream.close()
            self._holder.kill()
        self._holder.wait()

    @staticmethod
    def environment() -> dict[str, str]:
        """Return the environment of every command: nothing from the tester's own shell."""
        return {
            "PATH": PATH,
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(SOURCE),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    @property
    def root(self) -> Path:
        """The private host's root directory, as a path that the test's own process can open."""
        return Path(f"/proc/{self.pid}/root")

    def inside(self, *argv: str | Path) -> list[str]:
        """Return the command line that runs `argv` in the private host."""
        enter = [
            "nsenter",
            f"--target={self.pid}",
            "--net",
            "--mount",
            "--pid",
            f"--wdns={self.directory}",
            "--",
        ]
        return enter + [str(word) for word in argv]

    def start(self, *argv: str | Path, env: Mapping[str, str] | None = None) -> Background:
        """Start a command and return. The command ends with the test at the latest."""
        return Background(self.inside(*argv), env=self.environment() | dict(env or {}))

    def run(
        self,
        *argv: str | Path,
        check: bool = True,
        input: str | None = None,
        timeout: float = 240,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end. Closes the host if that takes over `timeout` seconds."""
        with self.start(*argv, env=env) as process:
            try:
                out, err = process.communicate(input, timeout=timeout)
            except subprocess.TimeoutExpired:
                self.close()
                raise
        if check and process.returncode != 0:
            words = " ".join(str(word) for word in argv)
            raise AssertionError(f"exit status {process.returncode}: {words}\n{out}{err}")
        return subprocess.CompletedProcess(
            [str(word) for word in argv], process.returncode, out, err
        )

    def netorch(
        self,
        *args: str | Path,
        check: bool = True,
        stdin: str | None = None,
        timeout: float = 240,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run this source tree's netorch with the Python that runs the tests.

        It behaves like `run`, but does not start Python anew.
        """
        words = [str(word) for word in args]
        # with its own environment, netorch is a process of its own, because Python reads some of it
        if env is not None or not _WARM.busy.acquire(blocking=False):
            return self.run(
                *(sys.executable, "-m", "netorch", *words),
                check=check,
                input=stdin,
                timeout=timeout,
                env=env,
            )
        return self._run_warm(["netorch", *words], self.environment(), check, stdin, timeout)

    def python(
        self,
        program: str,
        *args: str | Path,
        check: bool = True,
        timeout: float = 240,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a Python program that uses netorch.

        It behaves like `run` of `python -c PROGRAM`, but does not start Python anew.
        """
        words = ["-c", *(str(word) for word in args)]
        if not _WARM.busy.acquire(blocking=False):
            argv = (sys.executable, "-c", program, *words[1:])
            return self.run(*argv, check=check, timeout=timeout, env=env)
        environment = self.environment() | dict(env or {})
        return self._run_warm(words, environment, check, None, timeout, program)

    def _run_warm(
        self,
        words: list[str],
        env: dict[str, str],
        check: bool,
        stdin: str | None,
        timeout: float,
        program: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the warm process, which is locked, and unlock that."""
        try:
            done = _WARM.run(
                self.pid, self.directory, words[1:], stdin or "", env, timeout, program
            )
        finally:
            _WARM.busy.release()
        if done is None:
            self.close()
            raise subprocess.TimeoutExpired(words, timeout)
        status, out, err = done
        if check and status != 0:
            raise AssertionError(f"exit status {status}: {' '.join(words)}\n{out}{err}")
        return subprocess.CompletedProcess(words, status, out, err)

    @contextmanager
    def refusing_names(self) -> Iterator[None]:
        """Make /etc/netns read-only: an apply of nodes with name servers or aliases fails late."""
        self.run("mount", "-o", "remount,ro", "/etc/netns")
        try:
            yield
        finally:
            self.run("mount", "-o", "remount,rw", "/etc/netns")

    def unforeseen(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a netorch that refuses no wrong gateways, settings and limits, so that Linux does."""
        program = f"{UNFORESEEN}sys.exit(main(sys.argv[1:]))"
        return self.python(program, *args, check=check)

    def write(self, name: str, text: str) -> Path:
        """Write a file into `directory` and return its path."""
        path = self.directory / name
        path.write_text(text)
        return path

    def ip(self, *args: str) -> Any:
        """Return the parsed output of `ip -json -details ARGS`, or None if there is none."""
        out = self.run("ip", "-json", "-details", *args).stdout
        return json.loads(out) if out.strip() else None

    def links(self, *where: str) -> list[str]:
        """Return names of links, without the devices that some kernels put into each namespace.

        `where` is empty, or `-n` and a namespace.
        """
        return [
            link["ifname"]
            for link in self.ip(*where, "link")
            if link["ifname"] not in MADE_BY_LINUX
        ]

    def ping(self, netns: str | None, target: str, count: int = 1) -> bool:
        """Return whether `target` answers `count` pings from the namespace `netns` or the host.

        `target` may be a name from /etc/netns. For one ping, more are sent until one is answered,
        because a busy machine may lose the first.
        """
        where = ("ip", "netns", "exec", netns) if netns else ()
        wait = ("-w", "2") if count == 1 else ("-W", "2")
        ping = ("ping", "-n", "-q", "-i", "0.2", *wait, "-c", str(count), target)
        return self.run(*where, *ping, check=False).returncode == 0

    def pings(self, pairs: Iterable[tuple[str, str]]) -> list[bool]:
        """Return for each pair of namespace and target whether a ping is answered."""
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda pair: self.ping(*pair), pairs))

    def reaches(self, netns: str | None, target: str, within: float = 60) -> bool:
        """Return whether `target` answers a ping within that many seconds."""
        deadline = time.monotonic() + within
        while not (answered := self.ping(netns, target)) and time.monotonic() < deadline:
            time.sleep(0.2)
        return answered

    def snapshot(self) -> Snapshot:
        """Return the state of the private host and of every named namespace.

        Besides VOLATILE, it leaves out what changes by itself:
        - IPv6 addresses that the kernel makes (link-local ones, from the MAC), and the IPv6 routes
          that it makes for any address (local table, multicast, fe80::/64), because they come and
          go with the carrier
        - learned neighbours, and learned and multicast forwarding entries
        - numbers of namespaces and of mount groups, and packet counters
        """
        shot: Snapshot = {}
        for part in self.run("sh", "-c", LOOK_EVERYWHERE, LOOK).stdout.split("\x1d")[1:]:
            title, _, text = part.partition("\n")
            shot[title] = dict(_mounts(text) if title == "mounts" else _netns(text))
        shot["files"] = dict(_files(self.root))
        return shot


def wait_for_rollback(host: Host) -> None:
    """Wait until an unconfirmed apply is rolled back and the file is in sync again."""
    deadline = time.monotonic() + 60
    while host.netorch("diff", check=False).returncode:
        assert time.monotonic() < deadline, "the apply was not rolled back"
        time.sleep(0.1)
    host.netorch("apply")  # waits for the lock, which the rollback holds until it has ended


class Background(subprocess.Popen[str]):
    """A process in the private host.

    Its parent, nsenter, stays outside, so `signal` sends signals to its child.
    """

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        super().__init__(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            text=True,
        )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command itself."""
        for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            os.kill(int(child), number)


def diff_snapshots(before: Snapshot, after: Snapshot, ignore: Collection[str] = ()) -> list[str]:
    """Return the changes, one readable line each. Equal snapshots have none.

    `ignore` has beginnings of lines (without the sign) to leave out.
    """
    lines = []
    for where in sorted(before.keys() | after.keys()):
        old, new = before.get(where, {}), after.get(where, {})
        for what in sorted(old.keys() | new.keys()):
            was, now = old.get(what), new.get(what)
            title = f"{where}: {what}"
            if was == now or any(title.startswith(beginning) for beginning in ignore):
                continue
            if was is None:
                lines.append(f"+ {title} {now}".rstrip())
            elif now is None:
                lines.append(f"- {title} {was}".rstrip())
            else:
                lines.append(f"~ {title}: {_change(was, now)}")
    return lines


def _change(was: str, now: str) -> str:
    """Describe a change: only the differing keys of two JSON objects, the whole of other values."""
    try:
        old, new = json.loads(was), json.loads(now)
    except ValueError:
        return f"{was} → {now}"
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return f"{was} → {now}"
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    return ", ".join(
        f"{key} {_change(json.dumps(old.get(key)), json.dumps(new.get(key)))}" for key in changed
    )


def _netns(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split("\x1e")[1:]:
        section, _, content = part.partition("\n")
        match section:
            case "sysctls":
                yield from _sysctls(content)
            case "nft" | "iptables" | "ip6tables":
                yield from _ruleset(section, content)
            case "broken":
                yield "broken", content
            case _:
                lists = list(_lists(content))
                # a kernel without IPv6 rules prints nothing, but a batch is complete
                names = BATCHES.get(section, (section,) if lists else ())
                for name, items in zip(names, lists, strict=True):
                    if name == "addresses":
                        yield from _links(items)
                    else:
                        own = (item for item in items if not _of_the_kernels_own(item))
                        yield from _numbered(name, own)


def _lists(content: str) -> Iterator[list[dict[str, Any]]]:
    """Yield each JSON list of the text, without its empty entries."""
    decoder, text = json.JSONDecoder(), content.strip()
    while text:
        items, end = decoder.raw_decode(text)
        yield [item for item in items if item]
        text = text[end:].lstrip()


def _steady(value: Any) -> Any:
    """Return the value without the parts that change by themselves."""
    if isinstance(value, dict):
        return {key: _steady(item) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [
            _steady(item)
            for item in value
            if not (isinstance(item, str) and item in VOLATILE_FLAGS)
        ]
    return value


def _text(value: Any) -> str:
    return json.dumps(_steady(value), sort_keys=True)


def _links(items: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for link in items:
        name = link["ifname"]
        addresses = [address for address in link.pop("addr_info", []) if address]
        if "::" in link.get("permaddr", ""):
            link.pop("permaddr")  # because a tunnel over IPv6 has a random one
        yield f"link {name}", _text(link)
        for address in addresses:
            own = (
                address["family"] == "inet6"
                and address["scope"] == "link"
                and address.get("protocol", "kernel_ll") == "kernel_ll"
            )
            if not (own and "nodad" not in address):
                yield f"address {name} {address['local']}/{address['prefixlen']}", _text(address)


def _of_the_kernels_own(item: dict[str, Any]) -> bool:
    """Return whether the kernel made the route, neighbour or forwarding entry by itself."""
    if item.get("protocol") == "kernel" and ":" in str(item.get("dst", "")):
        return item.get("table") == "local" or str(item["dst"]).startswith(("fe80:", "ff00:"))
    learned = item.get("state") not in ("permanent", "static")
    return "mac" in item and (learned or str(item["mac"]).startswith(("01:00:5e:", "33:33:")))


def _numbered(section: str, items: Iterator[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Key entries by their text and count equal ones, so that their order does not matter."""
    seen: dict[str, int] = {}
    for item in items:
        text = f"{section} {_text(item)}"
        seen[text] = seen.get(text, 0) + 1
    for text, times in seen.items():
        yield text, "" if times == 1 else f"{times} times"


def _sysctls(content: str) -> Iterator[tuple[str, str]]:
    for line in content.splitlines():
        path, _, value = line.removeprefix("/proc/sys/").partition(":")
        if path not in VOLATILE_SYSCTLS:
            yield f"sysctl {path}", value


def _ruleset(section: str, content: str) -> Iterator[tuple[str, str]]:
    """Yield a ruleset as one text, because its order matters. Leaves out counters and dates."""
    lines = [COUNTERS.sub("", line) for line in content.splitlines() if not line.startswith("#")]
    if lines:
        yield section, "\n".join(lines)


def _mounts(text: str) -> Iterator[tuple[str, str]]:
    """Yield mounts below /run and /etc with type and propagation, one above another in order."""
    seen: dict[str, list[str]] = {}
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        point, options, propagation = (
            fields[4],
            fields[5],
            "".join(f" {word.partition(':')[0]}" for word in fields[6:]),
        )
        if point.startswith(("/run", "/etc")):
            seen.setdefault(point, []).append(f"{right.split()[0]} {options}{propagation}")
    for point, mounts in seen.items():
        yield point, " · ".join(mounts)


def _files(root: Path) -> Iterator[tuple[str, str]]:
    """Yield mode and contents of the files that netorch and ip write.

    The last comparison is left out: even a command that changes nothing writes it.
    """
    for top in ("run/netns", "run/netorch", "etc/netns"):
        for path in sorted([root / top, *(root / top).rglob("*")]):
            if not path.exists() or path.name == COMPARED:
                continue
            mode = f"{path.stat().st_mode & 0o7777:o}"
            name = path.relative_to(root)
            if path.is_dir():
                yield f"/{name}/", mode
            elif top == "run/netns":
                yield f"/{name}", "file"
            else:
                yield f"/{name}", f"{mode} {path.read_text(errors='replace')!r}"
