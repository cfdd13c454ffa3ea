"""Runs commands in a private host and times them.

    python -m tests.benchmarks.runner     reads jobs, each a line of JSON, and answers with lines

It stays in the host, so that a figure contains the command and nothing else. It is small, because
the kernel counts the memory of the starting process in the peak memory of a new process.
"""

from __future__ import annotations

import json
import os
import sys
import time

from tests.benchmarks.teardown import settle

INTERVAL, QUIET_PACKETS, TIMEOUT = 0.2, 2000, 40.0
"""The seconds of an interval, the most packets in a quiet one, and the seconds after which the
runner stops waiting for one."""
LARGE_SEGMENT_PACKETS, SOLICITATION_SECONDS = 20_000, 4.5
"""The number of packets since the last command that shows that it made a large segment, and the
seconds that must be quiet then: a host solicits routers three times, 4 seconds apart (RFC 4861,
section 10)."""


def packets() -> int:
    """Return the packets that the processors have processed, the first column of softnet_stat."""
    with open("/proc/net/softnet_stat") as table:
        return sum(int(line.split()[0], 16) for line in table)


def wait_until_quiet(last: int) -> None:
    """Return when the multicasts of new links are over.

    A thousand new links on one bridge cause a million packets. `last`: the number of packets when
    the command before began.
    """
    deadline = time.monotonic() + TIMEOUT
    quiet_seconds = 0.0
    while time.monotonic() < deadline:
        before = packets()
        time.sleep(INTERVAL)
        now = packets()
        quiet_seconds = quiet_seconds + INTERVAL if now - before <= QUIET_PACKETS else 0.0
        if quiet_seconds >= (
            SOLICITATION_SECONDS if now - last > LARGE_SEGMENT_PACKETS else INTERVAL
        ):
            return


def run(job: dict[str, object], last: int) -> dict[str, object]:
    """Run a command, and return its times, peak memory and output.

    The time ends with the process, or with `settled`, when the kernel has torn down all namespaces
    that the command released.
    """
    settle()  # so that the kernel's work for the last command is over
    if job.get("quiet", True):
        wait_until_quiet(last)
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
