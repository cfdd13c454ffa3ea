"""What a command depends on besides its request. Words are quoted for a shell."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote

from netorch.immutable import Value, field
from netorch.state.key import HOST, is_attached, label_text

Commands = list[str]
"""Shell commands. A command with a here-document has several lines."""


class Context(Value):
    """What a command depends on besides its request."""

    marks: bool = False
    """Whether the commands set netorch's marks."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """Label → the path of an attached namespace, quoted for a shell."""
    own_namespaces: frozenset[str] = frozenset()
    """Labels of the namespaces that netorch makes."""
    own_links: frozenset[tuple[str, str]] = frozenset()
    """Label and name of each link that netorch makes, and of each lent NIC."""
    uplink_bridges: frozenset[tuple[str, str]] = frozenset()
    """Label and name of each bridge that has the addresses of an uplink."""
    new_kind: str = ""
    """The kind of the link that is being made, whose defaults are left out. "" for a change."""
    folder: str = ""
    """The folder from which relative paths count."""

    def tool(self, name: str, label: str) -> str:
        """Return the beginning of a command of ip, bridge or tc in a namespace: `ip -n r1`.

        An attached namespace is entered by `nsenter`.
        """
        path = self._path(label)
        if path:
            return f"nsenter --net={path} {name}"
        return name if label == HOST else f"{name} -n {quote(label_text(label))}"

    def inside(self, command: str, label: str) -> str:
        """Return a command that runs any other program in a namespace."""
        path = self._path(label)
        if path:
            return f"nsenter --net={path} {command}"
        return command if label == HOST else f"ip netns exec {quote(label_text(label))} {command}"

    def netns(self, label: str) -> str:
        """Return the namespace as an argument of `ip link … netns`.

        The host is named by the process ID of the shell, which runs there.
        """
        return "$$" if label == HOST else self._path(label) or quote(label_text(label))

    def _path(self, label: str) -> str:
        return self.paths.get(label, "") if is_attached(label) else ""


def words(*parts: str) -> str:
    """Join the parts of a command, except empty ones."""
    return " ".join(part for part in parts if part)


def with_stdin(command: str, content: str) -> str:
    """Return a command that reads `content` as its standard input, from a here-document."""
    end = "EOF"
    while end in content.splitlines():
        end += "_"
    newline = "" if content.endswith("\n") or not content else "\n"
    return f"{command} <<'{end}'\n{content}{newline}{end}"
