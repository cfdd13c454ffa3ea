"""Tries kernel features without root, in a user namespace of its own (user_namespaces(7))."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress

from netorch.kernel.linux import LinuxKernel
from netorch.kernel.system.syscalls import CLONE_NEWNET, CLONE_NEWUSER, unshare
from netorch.values.requests import Feature


def lacking(features: Sequence[Feature]) -> list[Feature] | None:
    """Return the features that this kernel lacks.

    A child process tries them as root of a new user namespace. Return None if users may not make
    one.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        # the child must not continue with the caller's code, whatever happens
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
        text = answer.read()
    os.waitpid(child, 0)
    return [features[number] for number in json.loads(text)] if text else None


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
