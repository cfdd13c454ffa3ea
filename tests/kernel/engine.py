"""A stand-in for Docker and Podman in a private host.

It serves their documented API on a unix socket, for network namespaces of real processes:

    python -m tests.kernel.engine SOCKET docker|podman

It reads commands from standard input, one JSON list in each line, and answers each with one line
of JSON. A container is a process in a network namespace of its own. Its eth0 is connected to
docker0, as Docker does it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

from tests.kernel.host import Host

NETNS = "/run/docker/netns"


class Engine:
    """The test's side of an engine: starts it, runs and stops containers, makes it misbehave."""

    def __init__(self, host: Host, socket: str = "/run/docker.sock", make: str = "docker") -> None:
        self._process = host.start(sys.executable, "-m", "tests.kernel.engine", socket, make)
        assert self._answer() == "ready"

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(self._process.communicate()[1])
        return json.loads(line)

    def __call__(self, verb: str, *words: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([verb, *words]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def run(self, name: str, network: str = "bridge") -> int:
        """Do `docker run -d --name NAME --network NETWORK`; return its PID in the private host."""
        self("create", name, network)
        return int(self("start", name))

    def end(self) -> None:
        """End the engine. Its containers stay, as with `live-restore`."""
        self("end")
        self._process.wait()


class Container:
    """A container, as the engine keeps it."""

    def __init__(self, number: int, name: str, network: str, make: str) -> None:
        self.number, self.name, self.network, self.make = number, name, network, make
        self.id = hashlib.sha256(name.encode()).hexdigest()
        self.status = "created"
        self.starts = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self.process.pid if self.process is not None else 0

    @property
    def sandbox(self) -> str:
        own = (
            self.make == "docker"
            and self.process is not None
            and not self.network.startswith("container:")
        )
        return f"{NETNS}/{self.id[:12]}{self.starts}" if own and self.network != "host" else ""

    def start(self, shared: int | None) -> int:
        own = {"host": []}.get(
            self.network,
            ["unshare", "--net"] if shared is None else ["nsenter", f"--net=/proc/{shared}/ns/net"],
        )
        # as a direct child, it ends when the engine is killed together with the private host
        self.process = subprocess.Popen(
            [*own, "sleep", "100000"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.starts += 1
        here = os.stat("/proc/self/ns/net").st_ino
        if own:
            while os.stat(f"/proc/{self.pid}/ns/net").st_ino == here:
                time.sleep(0.005)
        if self.sandbox:
            Path(NETNS).mkdir(parents=True, exist_ok=True)
            Path(self.sandbox).touch()
            command("mount", "--bind", f"/proc/{self.pid}/ns/net", self.sandbox)
        if own and shared is None:
            self.plug_in()
        self.status = "running"
        return self.pid

    def plug_in(self) -> None:
        inside = f"nsenter --net=/proc/{self.pid}/ns/net"
        script = f"{inside} ip link set lo up"
        if self.network == "bridge":
            script += f"""
                [ -e /sys/class/net/docker0 ] || {{ ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up; }}
                ip link add veth{self.id[:7]} address 02:42:fe:00:00:{self.number:02x} type veth \\
                    peer name eth0 address 02:42:ac:11:00:{self.number + 1:02x} netns {self.pid}
                ip link set veth{self.id[:7]} master docker0 up
                {inside} sh -c 'ip addr add 172.17.0.{self.number + 1}/16 dev eth0; ip link set eth0 up; ip route add default via 172.17.0.1'
                {inside} sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'
            """
        command("sh", "-ec", script)

    def stop(self) -> None:
        if self.process is None:
            return
        sandbox = self.sandbox
        self.process.kill()
        self.process.wait()
        self.process = None
        if sandbox:
            command(
                "sh",
                "-c",
                f"umount {sandbox}; rm {sandbox}; ip link del veth{self.id[:7]} 2>/dev/null || :",
            )
        self.status = "exited"

    def inspect(self) -> dict[str, Any]:
        state = {
            "Status": self.status,
            "Running": self.status in ("running", "paused", "restarting"),
            "Paused": self.status == "paused",
            "Restarting": self.status == "restarting",
            "Pid": self.pid,
        }
        answer: dict[str, Any] = {"Id": self.id, "Name": f"/{self.name}", "State": state}
        if self.make == "docker":
            return answer | {
                "NetworkSettings": {"SandboxKey": self.sandbox},
                "HostConfig": {"NetworkMode": self.network},
            }
        # because some versions of Podman leave out Networks, and some leave out HostConfig
        return answer | {
            "NetworkSettings": {"SandboxKey": "", "Networks": None},
            "HostConfig": None,
        }


def command(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


class Server(ThreadingUnixStreamServer):
    """The API server. `fault` names the way in which it misbehaves, if any."""

    daemon_threads = True

    def __init__(self, socket: str, make: str) -> None:
        Path(socket).parent.mkdir(parents=True, exist_ok=True)
        super().__init__(socket, Handler)
        self.path, self.make, self.fault, self.asked = socket, make, "", 0
        self.containers: dict[str, Container] = {}
        self.lock = threading.RLock()

    def find(self, name: str) -> list[Container]:
        exact = [each for each in self.containers.values() if name in (each.name, each.id)]
        return exact or [each for each in self.containers.values() if each.id.startswith(name)]

    def start(self, name: str) -> int:
        container = self.containers[name]
        other = container.network.removeprefix("container:")
        return container.start(self.containers[other].pid if other != container.network else None)

    def do(self, verb: str, *words: str) -> object:
        with self.lock:
            return self._do(verb, *words)

    def look(self, word: str) -> list[dict[str, Any]]:
        with self.lock:
            return [container.inspect() for container in self.find(word)]

    def _do(self, verb: str, *words: str) -> object:
        match verb, *words:
            case "create", name, network:
                self.containers[name] = Container(
                    len(self.containers) + 1, name, network, self.make
                )
            case "start", name:
                return self.start(name)
            case "stop", name:
                self.containers[name].stop()
            case "restart", name:
                self.containers[name].stop()
                return self.start(name)
            case "rm", name:
                self.containers.pop(name).stop()
            case "status", name, status:
                self.containers[name].status = status
            case "id", name:
                return self.containers[name].id
            case "fault", fault:
                self.fault = fault
            case ("asked",):
                return self.asked
            case ("end",):
                os.unlink(self.path)
        return "done"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        fault, path = self.server.fault, self.path.partition("?")[0]
        if fault and self.misbehave(fault):
            return
        if path == "/containers/json":
            self.send(
                200,
                [
                    {"Id": each.id, "Names": [f"/{each.name}"], "State": each.status}
                    for each in self.server.containers.values()
                ],
            )
            return
        word = path.removeprefix("/containers/").removesuffix("/json")
        matches = self.server.look(word)
        if len(matches) == 1:
            if fault.startswith("restarts"):
                # the container restarts between the look and the answer, so the answer is outdated
                self.server.fault = "" if fault == "restarts once" else fault
                self.server.do("restart", matches[0]["Name"].removeprefix("/"))
            self.send(200, matches[0])
        elif matches:
            self.send(400, {"message": f"multiple IDs found with provided prefix: {word}"})
        else:
            self.send(404, {"message": f"No such container: {word}"})

    def misbehave(self, fault: str) -> bool:
        raw = {
            "garbage": b"\x00\x01\x02 what is HTTP?\r\n\r\n",
            "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
            "cut off": b'HTTP/1.1 200 OK\r\nContent-Length: 6000\r\n\r\n{"Id',
            "a list": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
            "other types": b'HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\n{"Id": "abc", "State": {"Pid": "1"}, "Name": [1.5]}',
            "nothing": b"",
        }
        if fault in raw:
            self.wfile.write(raw[fault])
            self.close_connection = True
        elif fault == "an error":
            self.send(500, {"message": "the disk is on fire\x1b[31m"})
        elif fault == "hangs":
            time.sleep(30)
        elif fault == "drips":
            for _ in range(200):
                with contextlib.suppress(OSError):
                    self.wfile.write(b"H")
                time.sleep(0.2)
        elif fault == "endless":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b" " * 1_000_000)
        else:
            return False
        return True

    def send(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))

    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return "unix"


def main(socket: str, make: str) -> None:
    server = Server(socket, make)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        words = json.loads(line)
        print(json.dumps(server.do(*words)), flush=True)
        if words == ["end"]:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
