"""Questions to the kernel that a plain user may put as root of a network of his own (user_namespaces(7))."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress

from netorch.kernel.linux import LinuxKernel
from netorch.kernel.system.syscalls import CLONE_NEWNET, CLONE_NEWUSER, unshare
from netorch.values.requests import Feature


def lacking(features: Sequence[Feature]) -> list[Feature] | None:
    """Those that this kernel does not have, found out by a process that lives for it alone; None where users may not do that."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        # whatever happens, nobody else's code runs on in here
        with suppress(BaseException):
            _become_root()
            with LinuxKernel() as kernel:
                missing = set(kernel.lacking(features))
            with open(writer, "w", encoding="utf-8") as answer:
                json.dump(
                    [number for number, feature in enumerate(features) if feature in missing],
                    answer,
                )
        os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return [features[number] for number in json.loads(said)] if said else None


def _become_root() -> None:
    user, group = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER | CLONE_NEWNET)
    for file, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {user} 1"),
        ("gid_map", f"0 {group} 1"),
    ):
        with open(f"/proc/self/{file}", "w", encoding="ascii") as opened:
            opened.write(text)
