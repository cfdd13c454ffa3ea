"""Waiting for the kernel: a namespace that nobody holds any more is torn down by and by, in one queue."""

from __future__ import annotations

import errno
import os
import time

from tests.benchmarks import raw


def settle() -> None:
    """Return when every network namespace that was given up before this call has been torn down.

    A namespace is made, with a veth that leads here, and given up at once. The kernel takes its queue in order, many at a time, and
    removes the links of those in one go; so when this veth is gone, the links of all before it are. Asking takes the kernel's lock
    that it removes them under.
    """
    here = raw.netns_here()
    with raw.opened() as at:
        raw.call(raw.libc.unshare(raw.CLONE_NEWNET))
        try:
            there = raw.netns_here()
        finally:
            raw.enter(here)
            os.close(here)
        name = f"canary{os.getpid()}"
        try:
            raw.send(
                at,
                [
                    raw.veth(
                        0,
                        name,
                        b"",
                        0,
                        "canary",
                        raw.attr(raw.IFLA_NET_NS_FD, raw.u32(there)),
                        up=False,
                    )
                ],
            )
        finally:
            os.close(there)
        asked = raw.message(
            raw.RTM_GETLINK, 0, raw.link(0, 0, 0, 0, 0) + raw.text(raw.IFLA_IFNAME, name)
        )
        try:
            while True:
                at.send(asked)
                answer = at.recv(65536)
                if answer[4:6] == b"\x02\0":  # NLMSG_ERROR
                    number = -int.from_bytes(answer[16:20], "little", signed=True)
                    if number == errno.ENODEV:
                        return
                    raise OSError(number, os.strerror(number))
                time.sleep(0.001)
        except OSError as error:
            raise OSError(
                error.errno, f"the canary could not be asked for: {error.strerror}"
            ) from error
