"""`python -m tests.kinds LOG…`: from what test runs on several kernels printed, the table of kinds of links and qdiscs × kernels.

Exit status 1 if a kind was put to the test on none of them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

_LINE = re.compile(r"^kinds tested on Linux (\S+):((?: \S+=(?:yes|lacking))+)", re.MULTILINE)


def line(release: str, ran: Mapping[str, bool]) -> str:
    """What a run says at its end; `ran`: kind → whether a test with it passed, not only skipped."""
    words = [f"{kind}={'yes' if ran[kind] else 'lacking'}" for kind in sorted(ran)]
    return f"kinds tested on Linux {release}: {' '.join(words)}"


def table(text: str, kinds: list[str]) -> tuple[str, list[str]]:
    """The table, and the kinds that no kernel ran."""
    runs: dict[str, dict[str, str]] = {}
    for release, words in _LINE.findall(text):
        said = dict(word.split("=") for word in words.split())
        # a second run on a kernel can add to the first
        runs.setdefault(release, {}).update(
            {kind: how for kind, how in said.items() if how == "yes" or kind not in runs[release]}
        )
    rows = [["kind", *runs]]
    rows += [
        [
            kind,
            *({"yes": "yes", "lacking": "-"}.get(run.get(kind, ""), "") for run in runs.values()),
        ]
        for kind in kinds
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines), [
        kind for kind in kinds if not any(run.get(kind) == "yes" for run in runs.values())
    ]


def main(paths: list[str]) -> int:
    import netorch.kinds  # noqa: F401  registers the kinds
    from netorch.state.registry import INTERFACE_WORDS
    from netorch.values.snapshot import SHAPERS

    text = "\n".join(Path(path).read_text(errors="replace") for path in paths)
    drawn, never = table(text, sorted({*INTERFACE_WORDS, *SHAPERS}))
    print(drawn)
    if never:
        print(f"never put to the test: {', '.join(never)}")
    return 1 if never else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
