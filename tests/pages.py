"""The pages of the documentation as programs: their files, commands and outputs.

A `console` block is a terminal. A line that begins with `# ` (as root) or `$ ` is a command; the
lines up to the next such line are its output. The first line says which of the two prompts the
whole block uses, so that an output may have lines that begin with the other one. HTML comments,
which readers of a page do not see, contain further instructions:

    <!-- file: NAME -->         the next block is the file NAME; if NAME is below topologies/ or
                                docs/, it is that file of this repository
    <!-- run: SCRIPT -->        `sh` runs SCRIPT before the rest: a reader does this by hand, or
                                has done it already
    <!-- not run: REASON -->    the next console block is not run
    <!-- docker: VERB NAMES --> the stand-in for Docker does `run` or `restart` with containers of
                                these names
    <!-- needs: KINDS -->       a kernel without these kinds of links cannot run the page; the
                                second test kernel can
    <!-- programs: NAMES -->    the page is run where these programs are installed
    <!-- machines: NUMBER -->   the page is run on one more machine, which reaches so many others,
                                198.51.100.1 and so on, by ssh

In an output, a line `…` stands for any number of lines, and `…` within a line for any text. For
values that differ each time, such as durations and dates, the tests only check that there is one:
see VARIES.

    python -m tests.pages [PAGE …]    as root: write the commands' present outputs into the pages
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from netorch.immutable import Value

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts),
)

PLACE = "/srv/netorch"
"""The folder in which commands run according to the pages: a clone of the repository."""

HOME = "/root"
"""The home directory according to the pages. Each page has its own."""

VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"), "DATE"),
    (re.compile(r"\d+/\w{3}/\d{4} \d\d:\d\d:\d\d"), "DATE"),
    (re.compile(r"\b\d\d:\d\d:\d\d(\.\d+)?\b"), "CLOCK"),
    (re.compile(r"\bin \d+(\.\d+)? ?m?s\b"), "in TIME"),
    (re.compile(r"\b\d+(\.\d+)? ?ms\b"), "TIME"),
    (re.compile(r"\b(\d+\.\d+/){2,}\d+\.\d+\b"), "TIMES"),
    # it depends on timing which of the two is noticed first
    (
        re.compile(r"\S+ gets no ARP answer from (\S+)( or the gateway to it)?"),
        r"no answer from \1",
    ),
    (re.compile(r"@if\d+"), "@ifN"),
    # Linux updates the state of a link up to a second after it came up
    (
        re.compile(r"\b(UNKNOWN|LOWERLAYERDOWN|DOWN|UP) {2,}"),
        "UP ",
    ),
    (re.compile(r" \(id: \d+\)"), ""),
    (re.compile(r"[ \t]+$"), ""),
)
"""Patterns of text that differs each time, and the replacements for comparing outputs."""

_COMMENT = re.compile(r"<!-- (file|run|docker|not run): *(.*?) *-->", re.S)
_NEEDS = re.compile(r"<!-- needs: *([\w -]*?) *-->")
_PROGRAMS = re.compile(r"<!-- programs: *([\w -]*?) *-->")
_MACHINES = re.compile(r"<!-- machines: *(\d+) *-->")
_FENCE = re.compile(r"( *)(`{3,})\{?([\w-]*)\}?.*")


class Block(Value):
    """A fenced block."""

    language: str
    lines: tuple[str, ...]
    """The lines without their indentation."""
    start: int
    """The line of the page, from 0, on which `lines` begin."""
    indent: str


class File(Value):
    name: str
    text: str


class Script(Value):
    text: str


class Command(Value):
    """A command and its output on the page."""

    text: str
    output: tuple[str, ...]
    """The lines that the page shows."""
    start: int
    """The line of the page, from 0, on which `output` begins."""
    indent: str


class Docker(Value):
    verb: str
    names: tuple[str, ...]


Step = File | Script | Docker | Command


class PageError(ValueError):
    """A page has an instruction that cannot be followed."""


def steps(text: str) -> list[Step]:
    """Return the steps of a page in order."""
    result: list[Step] = []
    pending: tuple[str, str] | None = None
    for part in _parts(text):
        if isinstance(part, tuple):
            if pending:
                raise PageError(f"no block follows <!-- {pending[0]} -->")
            match part:
                case ("run", script):
                    result.append(Script(script))
                case ("docker", words):
                    verb, *names = words.split()
                    result.append(Docker(verb, tuple(names)))
                case _:
                    pending = part
            continue
        match pending:
            case ("file", name):
                result.append(File(name, "".join(f"{line}\n" for line in part.lines)))
            case ("not run", reason):
                if part.language != "console" or not reason:
                    raise PageError(
                        f"line {part.start}: `not run` needs a reason, and a console block after it"
                    )
            case _ if part.language == "console":
                result += _commands(part)
        pending = None
    if pending:
        raise PageError(f"no block follows <!-- {pending[0]} -->")
    return result


def programs(text: str) -> tuple[str, ...]:
    """Return the programs that the page needs and that not every machine has."""
    return tuple(name for match in _PROGRAMS.finditer(text) for name in match[1].split())


def needs(text: str) -> tuple[str, ...]:
    """Return the kinds of links that the page needs and that not every kernel has."""
    return tuple(kind for kinds in _NEEDS.findall(text) for kind in kinds.split())


def machines(text: str) -> int:
    """Return the number of machines that the page reaches by ssh."""
    numbers = _MACHINES.findall(text)
    return int(numbers[0]) if numbers else 0


def _parts(text: str) -> Iterator[Block | tuple[str, str]]:
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        if fence := _FENCE.fullmatch(lines[at]):
            indent, ticks, language = fence.groups()
            end = next(
                (n for n in range(at + 1, len(lines)) if lines[n].strip() == ticks), len(lines)
            )
            yield Block(
                language,
                tuple(line.removeprefix(indent) for line in lines[at + 1 : end]),
                at + 1,
                indent,
            )
            at = end
        elif lines[at].lstrip().startswith("<!-- "):
            end = next((n for n in range(at, len(lines)) if "-->" in lines[n]), at)
            if comment := _COMMENT.fullmatch("\n".join(lines[at : end + 1]).strip()):
                yield comment[1], comment[2]
            at = end
        at += 1


def _commands(block: Block) -> Iterator[Command]:
    prompt = block.lines[0][:2] if block.lines else ""
    if prompt not in ("# ", "$ "):
        raise PageError(
            f"line {block.start + 1}: a console block must begin with `# ` or `$ ` and a command"
        )
    starts = [at for at, line in enumerate(block.lines) if line.startswith(prompt)]
    for at, end in zip(starts, [*starts[1:], len(block.lines)], strict=True):
        first = at + 1
        while block.lines[first - 1].endswith("\\") and first < end:
            first += 1
        typed = "\n".join(block.lines[at:first]).removeprefix(prompt)
        yield Command(typed, block.lines[first:end], block.start + first, block.indent)


def same(expected: tuple[str, ...] | list[str], printed: str) -> bool:
    """Tell whether a page shows the output that a command printed.

    Empty lines at the end of either do not count.
    """
    pattern = ""
    for line in "\n".join(expected).rstrip("\n").splitlines():
        words = _steady(line)
        pattern += (
            r"(?:[^\n]*\n)*"
            if words.strip() == "…"
            else r"[^\n]*".join(re.escape(word) for word in words.split("…")) + r"\n"
        )
    return (
        re.fullmatch(
            pattern, "".join(f"{_steady(line)}\n" for line in printed.rstrip("\n").splitlines())
        )
        is not None
    )


def _steady(line: str) -> str:
    for pattern, replacement in VARIES:
        line = pattern.sub(replacement, line)
    return line


def rewritten(text: str, printed: dict[int, str]) -> str:
    """Return the page with other outputs.

    `printed`: the line on which an output begins (`Command.start`) → the new output.
    """
    lines = text.splitlines()
    for command in sorted(
        (step for step in steps(text) if isinstance(step, Command)),
        key=lambda command: -command.start,
    ):
        if command.start in printed:
            new = [
                f"{command.indent}{line}".rstrip() for line in printed[command.start].splitlines()
            ]
            lines[command.start : command.start + len(command.output)] = new
    return "\n".join(lines) + "\n"


def main(names: list[str]) -> int:
    import tempfile

    from tests.kernel.replay import replay, stage

    for page in [Path(name).resolve() for name in names] or PAGES:
        text = page.read_text(encoding="utf-8")
        with (
            tempfile.TemporaryDirectory(prefix="netorch-page-") as place,
            stage(text, Path(place)) as host,
        ):
            done = list(replay(text, host))
        changed = {
            command.start: printed for command, printed in done if not same(command.output, printed)
        }
        if changed:
            page.write_text(rewritten(text, changed), encoding="utf-8")
        print(f"{page.relative_to(ROOT)}: {len(done)} commands, {len(changed)} outputs written")
    return 0


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
