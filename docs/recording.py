"""Record the demonstration in the README: a terminal in which netorch makes a network.

    python docs/recording.py          as root: record demo.cast again, and draw demo.svg and lab.svg
    python docs/recording.py --draw   only draw demo.svg from demo.cast

The commands run in bash on a private host, and the terminal is a real one. The file has the format
asciicast 2: events of text (`o`), and marks (`m`) with the captions of the steps. The times between
keys and the pauses for reading are those of this file, and the recording does not wait for them.
The time that a command takes is measured, and shortened to `LONGEST`, as players do.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from docs.animation import Cast, Event, draw  # noqa: E402
from tests.kernel.host import PATH, Host  # noqa: E402

CAST = DOCS / "pictures/demo.cast"
SVG = DOCS / "pictures/demo.svg"
PICTURE = DOCS / "pictures/lab.svg"
FILE = DOCS / "examples/lab.yaml"
BREAK = "ip -n r1 link set dmz down"

COLUMNS, ROWS = 96, 22
PROMPT = "\x1b[1;32mroot@host\x1b[0m:\x1b[1;34m~\x1b[0m# "
KEY = 0.03
"""Seconds between two keys."""
ENTER = 0.2
"""Seconds between the last key of a command and Enter."""
LONGEST = 0.4
"""Seconds after which the output of a command is complete, at most."""


class Step(NamedTuple):
    caption: str
    command: str
    pause: float
    """Seconds in which the output can be read."""


STEPS = (
    Step("One file: three nodes, two cables", "cat lab.yaml", 2.6),
    Step("What would change?", "netorch diff lab.yaml", 1.6),
    Step("Make it", "netorch apply lab.yaml", 1.0),
    Step("Test it with real packets", "netorch check", 1.6),
    Step("Something breaks", "clear", 0.2),
    Step("Something breaks", BREAK, 0.6),
    Step("What differs from the file?", "netorch diff", 1.8),
    Step("Why does pc not reach web?", "netorch explain pc web", 3.6),
    Step("Put it right", "netorch apply lab.yaml", 1.4),
    Step("Remove it", "netorch destroy lab", 1.2),
    Step("Nothing is left", "ip netns list", 3.0),
)


def main(words: list[str]) -> int:
    if words not in ([], ["--draw"]):
        print(__doc__, file=sys.stderr)
        return 64
    if not words:
        with tempfile.TemporaryDirectory(prefix="netorch-recording-") as place:
            host = Host(Path(place))
            try:
                CAST.write_text(record(host).text(), encoding="utf-8")
                PICTURE.write_text(picture(host), encoding="utf-8")
            finally:
                host.close()
    cast = Cast.load(CAST.read_text(encoding="utf-8"))
    SVG.write_text(draw(cast), encoding="utf-8")
    print(f"{SVG}: {cast.events[-1].time:.1f} s, {SVG.stat().st_size // 1000} kB")
    return 0


def record(host: Host) -> Cast:
    """Type the commands of `STEPS` on the host, and return what the terminal shows."""
    shutil.copy(FILE, host.directory)
    tools = host.directory / ".bin"
    tools.mkdir()
    (tools / "netorch").write_text(f'#!/bin/sh\nexec {sys.executable} -m netorch "$@"\n')
    (tools / "netorch").chmod(0o755)
    (tools / "inputrc").write_text("set enable-bracketed-paste off\n")
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    shell = subprocess.Popen(
        host.inside("setsid", "--ctty", "--wait", "bash", "--norc", "--noprofile", "-i"),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={
            **host.environment(),
            "PATH": f"{tools}:{PATH}",
            "INPUTRC": str(tools / "inputrc"),
            "PS1": PROMPT.replace("\x1b[", r"\[\e[").replace("m", r"m\]"),
            "TERM": "xterm-256color",
        },
    )
    os.close(follower)
    try:
        events = tuple(_type(leader))
    finally:
        os.close(leader)
        shell.kill()
        shell.wait()
    return Cast(COLUMNS, ROWS, "netorch", events)


def picture(host: Host) -> str:
    """Return the SVG that netorch draws of the network of the recording, with the cable broken."""
    shutil.copy(FILE, host.directory)
    host.netorch("apply", "-q", FILE.name)
    host.run(*BREAK.split())
    host.netorch("graph", "--live", "--to", "lab.svg")
    host.netorch("destroy", "-q")
    return (host.directory / "lab.svg").read_text(encoding="utf-8")


def _type(leader: int) -> Iterator[Event]:
    clock = 0.0
    for _, text in _until(leader, PROMPT):
        yield Event(0.0, "o", text)
    for step in STEPS:
        yield Event(clock, "m", step.caption)
        for key in step.command:
            os.write(leader, key.encode())
            clock += KEY
            for _, text in _until(leader, key):
                yield Event(clock, "o", text)
        clock += ENTER
        os.write(leader, b"\r")
        delay = 0.0
        for seconds, text in _until(leader, PROMPT):
            delay = min(seconds, LONGEST)
            yield Event(clock + delay, "o", text)
        clock += delay + step.pause
    yield Event(clock, "m", "")


def _until(leader: int, end: str) -> Iterator[tuple[float, str]]:
    """Yield each text that the terminal gets, with the seconds since the call, up to `end`."""
    start = time.monotonic()
    decoder = codecs.getincrementaldecoder("utf-8")()
    output = ""
    while not output.endswith(end):
        text = decoder.decode(os.read(leader, 65536))
        output += text
        yield time.monotonic() - start, text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
