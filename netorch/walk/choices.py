"""Follow each of several ways that a packet may take, one after the other."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

MAX_WAYS = 32
"""The number of ways that are followed at most."""


@dataclass(slots=True)
class Choices:
    """The choices of one way: which option it takes at each place that has several."""

    script: tuple[int, ...] = ()
    """What to choose at the first places; at all later places the first option is chosen."""
    taken: list[tuple[int, int, str]] = field(default_factory=list)
    """The option taken at each place: its number, the number of options, and its text."""
    _known: dict[Hashable, int] = field(default_factory=dict)

    def pick(self, place: Hashable, options: Sequence[str]) -> int:
        """Return which option to take at a place. For the same place it is always the same one."""
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
        """The choices, as in `r1 by e1 to 10.0.2.2, r4 by e0 to 10.0.1.1`; "" if there are none."""
        return ", ".join(text for _, _, text in self.taken)

    def following(self) -> tuple[int, ...] | None:
        """Return the script of the next way, or None after the last one."""
        for at in range(len(self.taken) - 1, -1, -1):
            number, count, _ = self.taken[at]
            if number + 1 < count:
                return (*(one for one, _, _ in self.taken[:at]), number + 1)
        return None


def every() -> Iterator[Choices]:
    """Yield the choices of each way. The caller must follow a way before it asks for the next."""
    script: tuple[int, ...] | None = ()
    for _ in range(MAX_WAYS):
        if script is None:
            return
        choices = Choices(script)
        yield choices
        script = choices.following()
