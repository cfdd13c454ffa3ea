"""Where a command runs, and what it has to know beside its request; words are quoted for a shell."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote

from netorch.immutable import Value, field
from netorch.state.key import HOST, is_attached, label_text

Commands = list[str]
"""Each a command as a person would type it; one with a here-document has several lines."""

_SWITCHING = frozenset(("ip", "bridge", "tc"))
"""Tools that enter a named namespace by themselves (`-n`)."""


class Context(Value):
    """`marks`: also say what netorch knows its own by. `ways`: label → the path of a namespace of others, quoted for a shell.

    `made`: labels of the namespaces that netorch makes, `links`: what it makes or borrows as (label, name), `fronts`: those of them that
    have the addresses of an uplink. `fresh`: the kind of the link that is being made, whose defaults go without saying; "" where
    something changes. `folder`: what relative paths count from.
    """

    marks: bool = False
    ways: Mapping[str, str] = field(default_factory=dict)
    made: frozenset[str] = frozenset()
    links: frozenset[tuple[str, str]] = frozenset()
    fronts: frozenset[tuple[str, str]] = frozenset()
    fresh: str = ""
    folder: str = ""

    def tool(self, name: str, label: str) -> str:
        """`ip -n r1`, or with what leads into the namespace before it."""
        way = self._way(label)
        if way:
            return f"nsenter --net={way} {name}"
        return name if label == HOST else f"{name} -n {quote(label_text(label))}"

    def inside(self, command: str, label: str) -> str:
        """A command of any other program, in the namespace."""
        way = self._way(label)
        if way:
            return f"nsenter --net={way} {command}"
        return command if label == HOST else f"ip netns exec {quote(label_text(label))} {command}"

    def netns(self, label: str) -> str:
        """What `ip link … netns` calls the namespace; the one that the shell is in is found by the shell's number."""
        return "$$" if label == HOST else self._way(label) or quote(label_text(label))

    def _way(self, label: str) -> str:
        return self.ways.get(label, "") if is_attached(label) else ""


def words(*parts: str) -> str:
    """A command of its parts; empty ones are left out."""
    return " ".join(part for part in parts if part)


def here(command: str, content: str) -> str:
    """A command that reads `content` as its standard input."""
    end = "EOF"
    while end in content.splitlines():
        end += "_"
    return f"{command} <<'{end}'\n{content}{'' if content.endswith(chr(10)) or not content else chr(10)}{end}"
