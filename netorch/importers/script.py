"""Shortens the import of what a shell script has made."""

from __future__ import annotations

import re
from typing import Any

from netorch.importers.draft import Draft

_COMPUTED = re.compile(r"\b(?:address|ether|lladdr)\s+[\"']?\S*[$`]")
"""A MAC address that the script computes. An IP address after `ip address add` does not match."""


def leave_out_random_macs(draft: Draft, script: str) -> None:
    """Leave out the MAC addresses that Linux chose, because they differ in each run of a script.

    The kernel does not tell who chose one. So those stay that the script contains, and all of them
    if it computes any.
    """
    if _COMPUTED.search(script):
        return
    macs = {"", *re.findall(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", script.lower())}
    left_out = False
    for node in draft.nodes.values():
        interfaces: dict[str, Any] = node.get("interfaces", {})
        for name, interface in list(interfaces.items()):
            if interface.get("mac", "") not in macs:
                del interface["mac"]
                left_out = True
                if not interface:
                    del interfaces[name]
    if left_out:
        draft.note((), "the MAC addresses are left out that Linux chose, which differ in each run")
