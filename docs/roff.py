"""Turn the Markdown of man.md into the manual page netorch(1), for `man`.

    python docs/roff.py PATH    write the page to a file

It knows only what man.md has: headings, paragraphs, lists of terms, bold, italic and code. The
build of a package uses it, so it needs nothing besides Python.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUMMARY = "network topologies: one YAML file in, kernel state out"

_COMMENT = re.compile(r"<!--.*?-->\n?", re.S)
_ITEM = re.compile(r"- ((?:`[^`]+`(?:, )?)+): (.+)", re.S)
_INLINE = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*")
_UNKNOWN = re.compile(r"[>|+]|\d+\. |```|[-*] |.*\]\(|    ")


def page(text: str, version: str) -> str:
    """Return the manual page. Raise ValueError for Markdown that it does not know."""
    head = f'.TH "NETORCH" "1" "" "netorch {version}" "User Commands"'
    lines = [head, ".SH NAME", rf"netorch \- {_escape(SUMMARY)}"]
    for block in _blocks(text):
        lines += _roff(block)
    return "\n".join(lines) + "\n"


def _blocks(text: str) -> Iterator[str]:
    """Yield the blocks between empty lines. Each item of a list is a block."""
    for part in re.split(r"\n{2,}", _COMMENT.sub("", text).strip()):
        yield from re.split(r"\n(?=- )", part.strip("\n"))


def _roff(block: str) -> list[str]:
    marks, _, title = block.partition(" ")
    match marks:
        case "#":
            return []
        case "##":
            return [f".SH {_inline(title).upper()}"]
        case "###":
            return [f".SS {_inline(title)}"]
    text = re.sub(r"\n\s*", " ", block)
    if item := _ITEM.fullmatch(text):
        return [".TP", _line(item[1]), _line(item[2])]
    if _UNKNOWN.match(text):
        raise ValueError(f"the manual page cannot have this Markdown: {block}")
    return [".PP", _line(text)]


def _line(text: str) -> str:
    """Return a line of text. A line must not begin as a request of roff does."""
    line = _inline(text)
    return rf"\&{line}" if line.startswith((".", "'")) else line


def _inline(text: str) -> str:
    parts, end = [], 0
    for match in _INLINE.finditer(text):
        parts.append(_escape(text[end : match.start()]))
        font = "I" if match[3] else "B"
        parts.append(rf"\f{font}{_escape(match[1] or match[2] or match[3])}\fR")
        end = match.end()
    return "".join(parts) + _escape(text[end:])


def _escape(text: str) -> str:
    """Return text in which no character has a meaning of its own: `-` is not a hyphen."""
    for character, escape in (("\\", r"\e"), ("-", r"\-"), ("'", r"\(aq"), ("^", r"\(ha")):
        text = text.replace(character, escape)
    return text.replace("`", r"\(ga").replace("~", r"\(ti").replace('"', r"\(dq")


def manual_page(root: Path = ROOT) -> str:
    """Return the manual page of a source tree."""
    source = (root / "netorch/version.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "(.+)"$', source, re.M)
    assert version
    return page((root / "docs/man.md").read_text(encoding="utf-8"), version[1])


def main() -> None:
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(manual_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
