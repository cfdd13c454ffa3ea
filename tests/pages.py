"""The pages of the documentation as something to run: their files, their commands, and what the commands print.

A `console` block is a terminal: a line that begins with `# ` (as root) or `$ ` is typed, what follows up to the next such line is what
one sees. The first line says which of the two it is in the whole block, so what is printed may have lines that begin with the other.
Comments, which no reader of a page sees, say the rest:

    <!-- file: NAME -->         the next block is the file NAME; below topologies/ and docs/ it is the file of that name here
    <!-- run: SCRIPT -->        `sh` runs SCRIPT before what follows: what a reader does by hand, or what is there already
    <!-- not run: REASON -->    the next console block is left alone
    <!-- docker: VERB NAMES --> what stands in for Docker does `run` or `restart` with containers of these names
    <!-- needs: KINDS -->       a kernel without these kinds of links cannot run the page; the second test kernel can

In what a command prints, a line `…` stands for any lines and `…` within a line for any text. Of what is different each time,
such as durations and dates, only that it is there is compared: see VARIES.

    python -m tests.pages [PAGE …]    as root: write what the commands print now into the pages
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
"""How pages call the folder that commands run in, a clone of the repository."""

HOME = "/root"
"""How pages call the home directory, which is one of their own."""

VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"), "DATE"),
    (re.compile(r"\d+/\w{3}/\d{4} \d\d:\d\d:\d\d"), "DATE"),
    (re.compile(r"\b\d\d:\d\d:\d\d(\.\d+)?\b"), "CLOCK"),
    (re.compile(r"\bin \d+(\.\d+)? ?m?s\b"), "in TIME"),
    (re.compile(r"\b\d+(\.\d+)? ?ms\b"), "TIME"),
    (re.compile(r"\b(\d+\.\d+/){2,}\d+\.\d+\b"), "TIMES"),
    (
        re.compile(r"\S+ gets no ARP answer from (\S+)( or the gateway to it)?"),
        r"no answer from \1",
    ),  # whichever is noticed first
    (re.compile(r"@if\d+"), "@ifN"),
    (
        re.compile(r"\b(UNKNOWN|LOWERLAYERDOWN|DOWN|UP) {2,}"),
        "UP ",
    ),  # Linux tells it of a link that came up within the next second
    (re.compile(r" \(id: \d+\)"), ""),
    (re.compile(r"[ \t]+$"), ""),
)
"""What is different each time, and what stands for it when two outputs are compared."""

_COMMENT = re.compile(r"<!-- (file|run|docker|not run): *(.*?) *-->", re.S)
_NEEDS = re.compile(r"<!-- needs: *([\w -]*?) *-->")
_FENCE = re.compile(r"( *)(`{3,})\{?([\w-]*)\}?.*")


class Block(Value):
    """A fenced block: `lines` without its indentation, which begin at line `start` (from 0) of the page."""

    language: str
    lines: tuple[str, ...]
    start: int
    indent: str


class File(Value):
    name: str
    text: str


class Script(Value):
    text: str


class Command(Value):
    """`output`: the lines that the page shows, which begin at line `start` (from 0) of it."""

    text: str
    output: tuple[str, ...]
    start: int
    indent: str


class Docker(Value):
    verb: str
    names: tuple[str, ...]


Step = File | Script | Docker | Command


class PageError(ValueError):
    """A page that says something that cannot be run."""


def steps(text: str) -> list[Step]:
    """What a page has one do, in its order."""
    found: list[Step] = []
    said: tuple[str, str] | None = None
    for part in _parts(text):
        if isinstance(part, tuple):
            if said:
                raise PageError(f"no block follows <!-- {said[0]} -->")
            match part:
                case ("run", script):
                    found.append(Script(script))
                case ("docker", words):
                    verb, *names = words.split()
                    found.append(Docker(verb, tuple(names)))
                case _:
                    said = part
            continue
        match said:
            case ("file", name):
                found.append(File(name, "".join(f"{line}\n" for line in part.lines)))
            case ("not run", reason):
                if part.language != "console" or not reason:
                    raise PageError(
                        f"line {part.start}: `not run` says why, and stands before a console block"
                    )
            case _ if part.language == "console":
                found += _commands(part)
        said = None
    if said:
        raise PageError(f"no block follows <!-- {said[0]} -->")
    return found


def needs(text: str) -> tuple[str, ...]:
    """Kinds of links that not every kernel has, and that the page wants."""
    return tuple(kind for kinds in _NEEDS.findall(text) for kind in kinds.split())


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
            f"line {block.start + 1}: a console block begins with `# ` or `$ ` and a command"
        )
    starts = [at for at, line in enumerate(block.lines) if line.startswith(prompt)]
    for at, end in zip(starts, [*starts[1:], len(block.lines)], strict=True):
        first = at + 1
        while block.lines[first - 1].endswith("\\") and first < end:
            first += 1
        typed = "\n".join(block.lines[at:first]).removeprefix(prompt)
        yield Command(typed, block.lines[first:end], block.start + first, block.indent)


def same(shown: tuple[str, ...] | list[str], printed: str) -> bool:
    """Whether a page shows what a command printed; empty lines at the end of either do not count."""
    pattern = ""
    for line in "\n".join(shown).rstrip("\n").splitlines():
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
    for what, stands in VARIES:
        line = what.sub(stands, line)
    return line


def rewritten(text: str, printed: dict[int, str]) -> str:
    """The page with other outputs: line of the page that a command's output begins at (`Command.start`) → what it is to be."""
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

    from tests.kernel.host import Host
    from tests.kernel.replay import replay

    for page in [Path(name).resolve() for name in names] or PAGES:
        text = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory(prefix="netorch-page-") as place:
            host = Host(Path(place))
            try:
                done = list(replay(text, host))
            finally:
                host.close()
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
