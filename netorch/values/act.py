"""One act of netorch that changed the network or tried to, as the log of the machine has it."""

from __future__ import annotations

from collections.abc import Mapping

from netorch.immutable import Value, field
from netorch.version import __version__

APPLY, RECONCILE, DESTROY = "apply", "reconcile", "destroy"
CONFIRM, ROLLBACK, RELEASE = "confirm", "rollback", "release"

DONE = "done"
"""The act did what was asked for."""
REFUSED = "refused"
"""Nothing was changed, because something was in the way."""
ROLLED_BACK = "rolled-back"
"""It failed, and the kernel is as it was before."""
INCOMPLETE = "incomplete"
"""It failed, and something of it is left."""

_VERBS = {
    APPLY: ("applied", "not applied"),
    RECONCILE: ("put right", "not put right"),
    DESTROY: ("destroyed", "not destroyed"),
    CONFIRM: ("confirmed", "not confirmed"),
    RELEASE: ("released", "not released"),
    ROLLBACK: ("rolled back", "not rolled back"),
}
_ENDS = {
    REFUSED: "nothing was changed",
    ROLLED_BACK: "rolled back",
    INCOMPLETE: "a part of it is left",
}
_COUNTED = {
    "adopt": "adopted",
    "release": "released",
    "create": "created",
    "update": "updated",
    "flap": "flapped",
    "replace": "replaced",
    "delete": "deleted",
}


class Caller(Value):
    """Who started a netorch."""

    uid: int = 0
    """The real user ID of the process."""
    loginuid: int | None = None
    """The user who logged in, of whose session the process is; None outside of a session."""
    sudo_user: str = ""
    """The user name that sudo or doas noted in the environment."""

    def text(self) -> str:
        """Return a clause about who it was, or "" if that was root in no session of a user."""
        if self.sudo_user:
            return f"by {self.sudo_user}"
        number = self.loginuid or self.uid
        return f"by user ID {number}" if number else ""


class Act(Value, kw_only=True):
    """One act."""

    act: str
    """`apply`, `reconcile`, `destroy`, `confirm` or `rollback`, or another verb."""
    topology: str
    outcome: str = DONE
    """`done`, `refused`, `rolled-back` or `incomplete`."""
    reason: str = ""
    """Why it ended so, or what it was about, as sentences."""
    codes: tuple[str, ...] = ()
    """The codes of the problems."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Sort (`create`, `update`, `flap`, `replace`, `delete`) → the number of changed objects."""
    seconds: float | None = None
    """The time that it took."""
    trial: float | None = None
    """The seconds in which an apply on trial has to be confirmed."""
    file: str = ""
    """The absolute path of the topology file, `-` for a text, "" if it is not known."""
    digest: str = ""
    """The SHA-256 of the topology file's text, "" if it is not known."""
    machine: str = ""
    """The machine of the file's `hosts` that this one is."""
    caller: Caller = field(default_factory=Caller)
    time: float = 0.0
    """When it ended, in seconds since 1970."""
    version: str = __version__
    """The version of netorch."""
    unit: str = ""
    """The unit of systemd in which it ran. Only the journal knows it."""

    @property
    def changes(self) -> str:
        """The counts as text, such as `3 created, 1 deleted`."""
        return ", ".join(
            f"{self.counts[sort]} {word}"
            for sort, word in _COUNTED.items()
            if self.counts.get(sort)
        )

    def text(self) -> str:
        """Return the line of the log."""
        done, not_done = _VERBS.get(self.act, (self.act, f"{self.act} failed"))
        parts = [done if self.outcome == DONE else not_done]
        if self.outcome in _ENDS:
            parts.append(_ENDS[self.outcome])
        elif self.act in (APPLY, RECONCILE, DESTROY):
            parts.append(self.changes or "no object changed")
        if self.trial is not None:
            parts.append(f"on trial for {self.trial:g} s")
        if who := self.caller.text():
            parts.append(who)
        took = f" in {self.seconds:.2f} s" if self.seconds is not None else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.topology}: {', '.join(parts)}{took}{reason}"
