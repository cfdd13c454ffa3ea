"""Reads lines of one node, command by command."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from netorch.importers.draft import SourceLine
from netorch.importers.shell_lines import (
    bridge,
    ifupdown,
    iptables,
    net_tools,
    programs,
    qdisc,
    settings,
)
from netorch.importers.shell_lines.arguments import Arguments, NotCarriedError, names
from netorch.importers.shell_lines.commands import Command, Variables, commands
from netorch.importers.shell_lines.ip import ip
from netorch.importers.shell_lines.node import Node

Verb = Callable[[Node, Arguments], None]
Place = Callable[[int], str]
"""Line → its place in the source, as `Draft.lose` takes it."""
Script = Callable[[str], "tuple[str, str] | None"]
"""Path of a script → its name in the source and its text, None if the source does not have it."""

VERBS: Mapping[str, Verb] = {
    "ip": ip,
    "bridge": bridge.bridge,
    "brctl": bridge.brctl,
    "ifconfig": net_tools.ifconfig,
    "route": net_tools.route,
    "vconfig": net_tools.vconfig,
    "arp": net_tools.arp,
    "sysctl": settings.sysctl,
    "tc": qdisc.tc,
}
"""Program → what reads its arguments."""

_FILTERS = {
    f"{program}{suffix}": version
    for program, version in (("iptables", 4), ("ip6tables", 6))
    for suffix in ("", "-legacy", "-nft")
}
_SHELLS = frozenset(("sh", "bash", "ash", "dash", "busybox"))
_PREFIXES = frozenset(("sudo", "exec", "eval", "time", "nice"))
_PROFILES = (".bashrc", ".profile", "/etc/profile")
"""Files that set what a person sees in a shell."""
_DEPTH = 4
"""The depth to which a shell may start another one."""
_PING_WITH_VALUE = frozenset(names("-c -i -I -w -W -s -t -Q -M -l -m -p -T -B"))


def no_script(path: str) -> tuple[str, str] | None:
    return None


def read_lines(
    node: Node, text: str, place: Place, line: int = 1, script: Script = no_script
) -> None:
    """Take the commands of a text as what they declare for the node.

    `line` is the number of the first line. `script` reads the scripts that the text runs.
    """
    _Reader(node, place, script).read(text, line)


class _Reader:
    def __init__(self, node: Node, place: Place, script: Script) -> None:
        self.node, self.place, self.script = node, place, script
        self.variables: Variables = {}

    def read(self, text: str, line: int, depth: int = 0) -> None:
        before: Command | None = None
        for command in commands(text, self.variables, line):
            where = self.place(command.line)
            source = SourceLine(command.words, command.text, where)
            try:
                self._take(command, before, depth)
                self.node.lines.append(source)
            except NotCarriedError as error:
                self.node.lines += [source] if error.part else []
                text = error.part or command.text
                self.node.lose(text, error.why, where, matters=error.matters)
                iptables.add_unread(self.node, command.text)
            before = command

    def _take(self, command: Command, before: Command | None, depth: int) -> None:
        if command.operator == "||" and set(command.programs) <= programs.HARMLESS:
            return
        if command.operator == "||" and before is not None:
            self._check_alternative(command, before)
            if not _is_condition(before):
                return
        elif command.operator == "&&" and before is not None and _is_condition(before):
            raise NotCarriedError(
                f"it runs only if `{before.text}` succeeds", matters=_matters(command)
            )
        if command.problem:
            raise NotCarriedError(command.problem, matters=_matters(command))
        words = list(command.words)
        while words and words[0] in _PREFIXES:
            del words[0]
        if words:
            self._run(_name(words[0]), words, command, before, depth)

    def _check_alternative(self, command: Command, before: Command) -> None:
        """Raise NotCarriedError for a command that runs if another condition does not hold."""
        if _is_condition(before) and "-C" not in before.words and "--check" not in before.words:
            raise NotCarriedError(
                f"it runs only if `{before.text}` fails", matters=_matters(command)
            )

    def _run(
        self, program: str, words: list[str], command: Command, before: Command | None, depth: int
    ) -> None:
        arguments = Arguments(words[1:])
        if program in VERBS:
            VERBS[program](self.node, arguments)
        elif program in _FILTERS:
            where = self.place(command.line)
            iptables.iptables(self.node, arguments, _FILTERS[program], command.text, where)
        elif program in ("echo", "printf") and command.output:
            text = " ".join(word for word in words[1:] if word not in ("-n", "-e", "-ne"))
            text = text.replace("\\n", "\n")
            settings.write_file(self.node, text, command.output, appends=command.appends)
        elif program == "tee" and command.operator == "|" and before and before.words:
            files = [word for word in words[1:] if not word.startswith("-")]
            text = " ".join(before.words[1:])
            for file in files:
                settings.write_file(self.node, text, file, appends="-a" in words)
        elif program in _SHELLS and depth < _DEPTH and (text := _inline_script(words)):
            self.read(text, command.line, depth + 1)
        elif path := _path_of_script(words):
            self._read_script(path, depth)
        elif _brings_up(program, words) and (source := self.script(ifupdown.PATH)):
            self._read_interfaces(*source)
        elif program in ("ping", "ping6"):
            self._ping(words[1:])
        elif program == "hostname":
            if words[1:] not in ([], [self.node.name]):
                raise NotCarriedError("a node is called as in the file", matters=False)
        elif program not in programs.HARMLESS or command.output not in (None, "/dev/null"):
            why, matters = programs.reason(program, tuple(words[1:]))
            raise NotCarriedError(why, matters=matters)

    def _read_script(self, path: str, depth: int) -> None:
        source = self.script(path) if depth < _DEPTH else None
        if source is None:
            raise NotCarriedError("the source does not have this script")
        name, text = source
        place, self.place = self.place, lambda line: f"{name}:{line}"
        self.read(text, 1, depth + 1)
        self.place = place

    def _read_interfaces(self, name: str, text: str) -> None:
        place, self.place = self.place, lambda line: f"{name}:{line}"
        try:
            for command, line in ifupdown.commands_of(text):
                self.read(command, line, _DEPTH)
        finally:
            self.place = place

    def _ping(self, words: list[str]) -> None:
        arguments = Arguments(words)
        while arguments:
            word = arguments.take()
            if word in _PING_WITH_VALUE and arguments:
                arguments.take()
            elif not word.startswith("-"):
                self.node.pings.append(word)
                return


def _name(program: str) -> str:
    """Return a program without its folder."""
    return program.rpartition("/")[2]


def _brings_up(program: str, words: list[str]) -> bool:
    """Whether a command brings up the interfaces of ifupdown."""
    starts = "networking" in (program, *words[1:]) and not {"stop", "disable"} & set(words)
    return starts or program == "ifup"


def _path_of_script(words: list[str]) -> str:
    """Return the path of the script that a command runs, "" if it runs none."""
    name = _name(words[0])
    if name in (*_SHELLS, ".", "source"):
        path = next((word for word in words[1:] if not word.startswith("-")), "")
        return "" if path.endswith(_PROFILES) else path
    return words[0] if name.endswith(".sh") and "/" in words[0] else ""


def _inline_script(words: list[str]) -> str:
    """Return the text that a shell runs: the argument of `-c`. "" if it runs something else."""
    for index, word in enumerate(words[1:-1], 1):
        if word.startswith("-") and "c" in word:
            return words[index + 1]
    return ""


def _is_condition(command: Command) -> bool:
    """Whether a command is run for its exit status."""
    words = command.words
    if not words:
        return True
    name = _name(words[0])
    if name in _FILTERS:
        return "-C" in words or "--check" in words
    if name == "ip":
        return any(word in ("show", "list", "sh", "s", "ls", "get") for word in words)
    return name in programs.CONDITIONS


def _matters(command: Command) -> bool:
    """Whether a command that is not read may change who reaches whom."""
    return any(
        name in VERBS or name in _FILTERS or programs.reason(name, command.words[1:])[1]
        for name in command.programs
    )
