"""Waiting for the kernel's tear-down of network namespaces.

When no process uses a namespace any more, the kernel tears it down later, from a single queue.
"""

from __future__ import annotations

import errno
import os
import time

from tests.benchmarks import raw


def settle() -> None:
    """Return when the kernel has torn down all network namespaces that were released before.

    The function makes a namespace with a veth that leads to this one, and releases it at once. The
    kernel works through its queue in order, many namespaces at a time, and removes their links
    together. So when this veth is gone, the links of all namespaces before it are gone as well: the
    kernel removes them under the lock that a request for a link takes, too.
    """
    here = raw.netns_here()
    with raw.opened() as at:
        raw.call(raw.libc.unshare(raw.CLONE_NEWNET))
        try:
            there = raw.netns_here()
        finally:
            raw.enter(here)
            os.close(here)
        name = f"settle{os.getpid()}"
        try:
            raw.send(
                at,
                [
                    raw.veth(
                        0,
                        name,
                        b"",
                        0,
                        "settle",
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
                error.errno, f"the last link could not be requested: {error.strerror}"
            ) from error
