"""One line in the log for each act, and none for what changes nothing."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kernel.host import Host

LISTEN = """\
import os, socket
os.makedirs("/run/systemd/journal")
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind("/run/systemd/journal/socket")
with open("/run/lines", "w", buffering=1) as lines:
    while True:
        lines.write(server.recv(99999).decode().replace("\\n", "|") + "\\n")
"""
RUNNING = """\
import netorch
with netorch.running("lab.yaml"): pass
with netorch.running("lab.yaml", private=True): pass
"""
FILE = """\
name: lab
nodes:
  n[1-2]: {networks: [lan]}
networks:
  lan: {subnet: 10.0.0.0/24}
"""
LARGER = FILE.replace("1-2", "1-3")


@contextmanager
def listening(host: Host) -> Iterator[None]:
    """Write each datagram for the journal to a file."""
    listener = host.start(sys.executable, "-c", LISTEN)
    try:
        deadline = time.monotonic() + 60
        while not Path(host.root / "run/lines").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield
    finally:
        listener.signal(signal.SIGKILL)
        listener.communicate()


def lines(host: Host, number: int) -> list[dict[str, str]]:
    """Wait until there are so many lines, and return the fields of each."""
    path = host.root / "run/lines"
    deadline = time.monotonic() + 60
    while len(text := path.read_text().splitlines()) < number and time.monotonic() < deadline:
        time.sleep(0.05)
    return [dict(field.split("=", 1) for field in line.split("|") if field) for line in text]


def test_each_act_leaves_one_line(host: Host) -> None:
    file = host.write("lab.yaml", FILE)
    host.netorch("apply", file)  # without a log, which is not an error
    host.netorch("destroy", "lab")
    with listening(host):
        host.netorch("apply", file)
        for words in (["apply", file], ["diff", file], ["list"], ["exec", "n1", "true"]):
            host.netorch(*words)
        host.run("ip", "-n", "n1", "link", "set", "eth0", "down")
        host.netorch("apply", file, env={"SUDO_USER": "alice"})
        host.netorch("link", "n1:eth0", "down")
        host.netorch("link", "n1:eth0", "down")
        host.netorch("link", "n1:eth0", "up")
        taken = FILE.replace("name: lab", "name: lob")
        host.netorch("apply", host.write("lob.yaml", taken), check=False)
        host.write("lab.yaml", LARGER)
        host.netorch("apply", file, "--confirm-within", "60")
        host.netorch("confirm", "lab")
        host.netorch("confirm", "lab")
        host.write("lab.yaml", FILE)
        host.netorch("apply", file, "--confirm-within", "60")
        host.netorch("confirm", "--undo", "lab", env={"SUDO_USER": "bob"})
        host.netorch("apply", file, "--confirm-within", "0")
        lines(host, 11)
        host.write("lab.yaml", LARGER)
        host.netorch("apply", file)  # waits for the rollback, and is in sync then
        host.write("lab.yaml", FILE.replace("1-2", "1-4"))
        with host.refusing_names():
            host.netorch("apply", file, check=False)
            host.netorch("apply", file, "--keep-partial", check=False)
        host.netorch("destroy", "lab")
        host.netorch("destroy", "lab")
        host.run(sys.executable, "-c", RUNNING)
        entries = lines(host, 16)
    acts = [(entry["NETORCH_ACT"], entry["NETORCH_OUTCOME"]) for entry in entries]
    assert acts == [
        ("apply", "done"),
        ("apply", "done"),
        ("link", "done"),
        ("link", "done"),
        ("apply", "refused"),
        ("apply", "done"),
        ("confirm", "done"),
        ("apply", "done"),
        ("rollback", "done"),
        ("apply", "done"),
        ("rollback", "done"),
        ("apply", "rolled-back"),
        ("apply", "incomplete"),
        ("destroy", "done"),
        ("apply", "done"),  # `running`, but not in a private host
        ("destroy", "done"),
    ]
    first, mended, down, _, refused, trial = entries[:6]
    assert "down" in down["NETORCH_REASON"]
    assert first["NETORCH_FILE"] == str(file)
    assert first["NETORCH_CREATE"] == "10"
    digest = host.run("sha256sum", "-", input=FILE).stdout.split()[0]
    assert first["NETORCH_DIGEST"] == digest
    assert mended["NETORCH_UPDATE"] == "1"
    assert mended["MESSAGE"].startswith("lab: applied, 1 updated, by alice in ")
    assert refused["NETORCH_TOPOLOGY"] == "lob"
    assert refused["NETORCH_CODES"] == "name-taken"
    assert trial["NETORCH_TRIAL"] == "60"
    undone, expired = entries[8], entries[10]
    assert (undone["NETORCH_REASON"], undone["NETORCH_SUDO_USER"]) == ("undone", "bob")
    assert expired["NETORCH_REASON"] == "not confirmed in time"
    assert "NETORCH_SUDO_USER" not in expired
