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

WINDOW, CALM, PATIENCE = 0.2, 2000, 30.0
"""Seconds of a look, packets in it at most, and seconds that are waited for that."""


def packets() -> int:
    """How many the processors have taken off their queues so far, softnet_stat's first column."""
    with open("/proc/net/softnet_stat") as table:
        return sum(int(line.split()[0], 16) for line in table)


def quiet() -> None:
    """Return when the multicasts with which new links greet one another are over: a thousand on one bridge are a million packets."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        before = packets()
        time.sleep(WINDOW)
        if packets() - before <= CALM:
            return


def run(job: dict[str, object]) -> dict[str, object]:
    """A command's milliseconds from its start to its end, or to where the kernel has torn down all that it gave up (`settled`)."""
    settle()  # what the last one left to the kernel is not this one's
    quiet()
    argv = [str(word) for word in job["argv"]]  # type: ignore[attr-defined]
    streams = [os.memfd_create(name) for name in ("out", "err")]
    nothing = os.open(os.devnull, os.O_RDONLY)
    actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate([nothing, *streams])]
    began = time.perf_counter()
    pid = os.posix_spawnp(argv[0], argv, os.environ | {"BENCHMARK_BEGAN": str(began)}, file_actions=actions)
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
        "out": out,
        "err": err,
    }


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
