"""Entries of `filter` in both IP versions, as one list with as few words as possible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netorch.immutable import Value

Entry = dict[str, Any]
WAYS = {"forward": "FORWARD", "input": "INPUT", "output": "OUTPUT"}
"""Way of packets through a node → the chain of iptables."""

_ANY = {4: "0.0.0.0/0", 6: "::/0"}
_LO: Mapping[str, Entry] = {
    "input": {"in": "lo", "action": "accept"},
    "output": {"out": "lo", "action": "accept"},
}
_NEIGHBOURS: Entry = {"proto": "icmpv6", "action": "accept"}


def too_strict(lost: str) -> str:
    """Return why a rule that drops is not carried over after one that is lost and may accept."""
    return f"without `{lost}`, which is not carried over, it would drop too much"


class OneVersion(Value):
    """The rules for one way and IP version."""

    way: str
    version: int
    entries: tuple[Entry, ...]
    drops: bool
    """Whether what no rule decides is dropped."""

    @property
    def has_policy(self) -> bool:
        """Whether the policy is one of the file, which lets more pass than that of a chain.

        That makes no difference if rules let the same pass, or if no connection can begin.
        """
        bare = [
            {key: value for key, value in one.items() if key != "comment"} for one in self.entries
        ]
        if self.way == "forward" and not any(one["action"] == "accept" for one in bare):
            return self.drops
        answers = any(
            one.keys() == {"state", "action"}
            and one["action"] == "accept"
            and {"established", "related"} <= {*one["state"]}
            for one in bare
        )
        neighbours = self.version == 4 or _NEIGHBOURS in bare
        own = self.way == "forward" or (neighbours and _LO[self.way] in bare)
        return self.drops and answers and own

    @property
    def restricts(self) -> bool:
        """Whether a rule or the policy may keep packets from passing."""
        return self.drops or any(entry["action"] != "accept" for entry in self.entries)

    @property
    def every_entry(self) -> list[Entry]:
        """The entries, with one in place of the policy."""
        return [*self.entries, *([{"action": "drop"}] if self.drops else [])]


def together(four: OneVersion, six: OneVersion, *, has_ipv6: bool) -> tuple[list[Entry], str]:
    """Return the entries for both IP versions, and the policy, "" if it accepts.

    `has_ipv6` is true if the node uses IPv6. If it does not, what is said of IPv4 alone needs no
    word about that.
    """
    if four.every_entry != six.every_entry and (has_ipv6 or six.every_entry):
        return [
            _of_version(entry, one.version) for one in (four, six) for entry in one.every_entry
        ], ""
    if four.has_policy and (six.has_policy or not six.every_entry):
        return [entry for entry in four.entries if entry != _LO.get(four.way)], "drop"
    return four.every_entry, ""


def _of_version(entry: Entry, version: int) -> Entry:
    """Return an entry for packets of one IP version."""
    if {"from", "to"} & entry.keys() or entry.get("proto") in ("icmp", "icmpv6"):
        return entry
    return {"from": _ANY[version], **entry}
