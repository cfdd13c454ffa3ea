"""Runs commands in a private host and times them; a process that stays there, so that nothing but the command is in a figure.

    python -m tests.benchmarks.runner     reads jobs, a line of JSON each, and answers each with one

It is small, since a process counts in its peak memory what the one that started it has.
"""

from __future__ import annotations

import json
import os
import sys
import time

from tests.benchmarks.canary import settle

WINDOW, CALM, PATIENCE = 0.2, 2000, 40.0
"""Seconds of a look, packets in it at most, and seconds that are waited for that."""
STORM, BETWEEN = 20_000, 4.5
"""Packets since the last command that speak of a large segment, and for how many seconds it has to be calm then: a host asks for routers
thrice, 4 seconds apart (RFC 4861, 10).
"""


def packets() -> int:
    """How many the processors have taken off their queues so far, softnet_stat's first column."""
    with open("/proc/net/softnet_stat") as table:
        return sum(int(line.split()[0], 16) for line in table)


def quiet(last: int) -> None:
    """Return when the multicasts with which new links greet one another are over: a thousand on one bridge are a million packets.

    `last`: the packets when the command before began.
    """
    deadline = time.monotonic() + PATIENCE
    calm = 0.0
    while time.monotonic() < deadline:
        before = packets()
        time.sleep(WINDOW)
        now = packets()
        calm = calm + WINDOW if now - before <= CALM else 0.0
        if calm >= (BETWEEN if now - last > STORM else WINDOW):
            return


def run(job: dict[str, object], last: int) -> dict[str, object]:
    """A command's milliseconds from its start to its end, or to where the kernel has torn down all that it gave up (`settled`)."""
    settle()  # what the last one left to the kernel is not this one's
    quiet(last)
    argv = [str(word) for word in job["argv"]]  # type: ignore[attr-defined]
    streams = [os.memfd_create(name) for name in ("out", "err")]
    nothing = os.open(os.devnull, os.O_RDONLY)
    actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate([nothing, *streams])]
    counted = packets()
    began = time.perf_counter()
    pid = os.posix_spawnp(
        argv[0], argv, os.environ | {"BENCHMARK_BEGAN": str(began)}, file_actions=actions
    )
    _, status, usage = os.wait4(pid, 0)
    if job.get("settled"):
        settle()
    ended = time.perf_counter()
    out, err = (os.pread(fd, os.fstat(fd).st_size, 0).decode(errors="replace") for fd in streams)
    for fd in (*streams, nothing):
        os.close(fd)
    return {
        "status": os.waitstatus_to_exitcode(status),
        "began": began,
        "milliseconds": (ended - began) * 1000,
        "processor_milliseconds": (usage.ru_utime + usage.ru_stime) * 1000,
        "peak_kilobytes": usage.ru_maxrss,
        "packets": counted,
        "out": out,
        "err": err,
    }


if __name__ == "__main__":
    counted = packets()
    for line in sys.stdin:
        answer = run(json.loads(line), counted)
        counted = int(str(answer.pop("packets")))
        print(json.dumps(answer), flush=True)
