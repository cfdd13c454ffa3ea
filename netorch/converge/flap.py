"""Flap a link: set it down and up again and again, until somebody ends that.

Each change is an intended deviation of its own, under the lock of the topology, so that other
commands can change the topology in between. The record names the process: if it is killed, the
record still says whether the link is down.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from netorch.converge import intended
from netorch.converge.deviate import Edit, Outcome, deviate, set_up
from netorch.converge.intended import Deviation, Deviations, Flap
from netorch.converge.named_interface import Choice
from netorch.errors import LockedError, NetorchError, Problem
from netorch.immutable import Value, replace
from netorch.kernel.files.pending import start_time
from netorch.kernel.linux import LinuxKernel
from netorch.resolve.desired import Desired


class FlapResult(Value):
    """What a flap has done."""

    times: int
    """How many times the link has gone down."""
    is_down: bool
    """Whether the link is down at the end, as it was before."""


class LinkFlap:
    """The flap of one link by this process."""

    def __init__(
        self,
        choice: Choice,
        who: str,
        every: float,
        pid: int,
        *,
        lock_timeout: float,
        notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`every` is the time between two changes, in seconds. `pid` is that of this process.

        `notice` is called with the reason why a change was left out.
        """
        self.choice, self._every, self._notice = choice, every, notice
        self._lock_timeout = lock_timeout
        self._flap = Flap(every, pid, start_time(pid), down=True)
        self._deviation = choice.target.deviation(who)
        self._before: Deviation | None = None
        self._has_begun = False

    def run(
        self,
        changed: Callable[[Outcome, bool], None],
        *,
        count: int | None = None,
        seconds: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> FlapResult:
        """Flap until the link has gone down `count` times, for `seconds`, or until interrupted.

        `changed` is called after each change, with whether the link is down now. At the end, and
        after KeyboardInterrupt, the link is as before. Raise NetorchError if it cannot be changed,
        or if another command has ended the flap.
        """
        start = time.monotonic()
        times, number = 0, 0
        try:
            while seconds is None or time.monotonic() - start < seconds:
                is_down = number % 2 == 0
                if is_down and times == count:
                    break
                outcome = self._change(is_down)
                if outcome is not None:
                    times += is_down
                    changed(outcome, is_down)
                number += 1
                left = start + number * self._every - time.monotonic()
                # after a delay it goes on in the rhythm of before, and with the other state
                number += 2 * int(max(0.0, -left) / self._every / 2)
                end = left if seconds is None else start + seconds - time.monotonic()
                sleep(max(0.0, min(left, end)))
        except KeyboardInterrupt:
            pass
        except BaseException:
            self._end_despite_error()
            raise
        outcome = self._end() if self._has_begun else None
        is_down = self._before is not None
        if outcome is not None and outcome.report.plan:
            changed(outcome, is_down)
        return FlapResult(times, is_down)

    def _change(self, is_down: bool) -> Outcome | None:
        """Set the link down or up. Returns None if the topology is locked, which passes."""
        try:
            log = "" if self._has_begun else f"{self._title} flaps every {self._every:g}s"
            return self._deviate(self._set(is_down), log)
        except LockedError as error:
            if not self._has_begun:
                raise
            self._notice(" ".join(error.lines()))
            return None

    @property
    def _title(self) -> str:
        return self.choice.target.title

    def _deviate(self, edit: Edit, log: str) -> Outcome:
        # opened each time, because open namespaces would outlive a destroy
        with LinuxKernel() as kernel:
            return deviate(kernel, self.choice, edit, lock_timeout=self._lock_timeout, log=log)

    def _set(self, is_down: bool) -> Edit:
        """Return the function from the present deviations to those with the link down or up."""

        def edit(desired: Desired, deviations: Deviations) -> Deviations:
            known = self._known(deviations)
            if not self._has_begun:
                self._begin(desired, deviations, known)
            elif not self._is_own(known):
                what = f"{self._title}: another command has ended the flap."
                raise NetorchError(Problem("flap-ended", what, object=self._title))
            self._has_begun = True
            flap = replace(self._flap, down=is_down)
            return intended.with_deviation(deviations, replace(self._deviation, flap=flap))

        return edit

    def _begin(self, desired: Desired, deviations: Deviations, known: Deviation | None) -> None:
        """Keep what was intended before. Raise NetorchError if the link cannot flap."""
        set_up(self.choice.target)(desired, deviations)
        if known is not None and known.flap is not None:
            what = f"{known.what}: process {known.flap.pid} does that already."
            raise NetorchError(Problem("flaps-already", what, object=self._title))
        self._before = known

    def _end(self) -> Outcome:
        """End the deviation, so that the link is as before."""

        def edit(desired: Desired, deviations: Deviations) -> Deviations:
            if not self._is_own(self._known(deviations)):
                return deviations
            rest = intended.without_places(deviations, [self._deviation.place])
            return rest if self._before is None else (*rest, self._before)

        while True:
            try:
                return self._deviate(edit, f"{self._title} does not flap any more")
            except KeyboardInterrupt:
                continue

    def _end_despite_error(self) -> None:
        """End the deviation while another error is on its way."""
        if self._has_begun:
            try:
                self._end()
            except (NetorchError, OSError):
                return

    def _known(self, deviations: Deviations) -> Deviation | None:
        return next((one for one in deviations if one.place == self._deviation.place), None)

    def _is_own(self, known: Deviation | None) -> bool:
        flap = known.flap if known is not None else None
        return flap is not None and replace(flap, down=True) == self._flap
