"""Where a packet could go several ways: each of them is followed, one after the other."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

WAYS = 32
"""Ways that are followed, at most."""


@dataclass(slots=True)
class Choices:
    """What is chosen at each place of one way. `script`: what to choose at the first ones; afterwards the first of all."""

    script: tuple[int, ...] = ()
    taken: list[tuple[int, int, str]] = field(default_factory=list)
    """Which one, of how many, in words."""
    _known: dict[Hashable, int] = field(default_factory=dict)

    def pick(self, place: Hashable, options: Sequence[str]) -> int:
        """Which of the options is taken at a place; the same one whenever it is asked for again."""
        if len(options) < 2:
            return 0
        if place not in self._known:
            at = len(self.taken)
            number = self.script[at] if at < len(self.script) else 0
            self._known[place] = number
            self.taken.append((number, len(options), options[number]))
        return self._known[place]

    @property
    def text(self) -> str:
        """`r1 by e1 to 10.0.2.2, r4 by e0 to 10.0.1.1`; "" where there was nothing to choose."""
        return ", ".join(text for _, _, text in self.taken)

    def following(self) -> tuple[int, ...] | None:
        """The script of the next way; None after the last one."""
        for at in range(len(self.taken) - 1, -1, -1):
            number, count, _ = self.taken[at]
            if number + 1 < count:
                return (*(one for one, _, _ in self.taken[:at]), number + 1)
        return None


def every() -> Iterator[Choices]:
    """One after the other; whoever asks follows each of them before the next."""
    script: tuple[int, ...] | None = ()
    for _ in range(WAYS):
        if script is None:
            return
        choices = Choices(script)
        yield choices
        script = choices.following()
