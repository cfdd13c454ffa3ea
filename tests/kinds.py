"""The table of kinds of links and qdiscs × kernels, from the output of tests on several kernels.

    python -m tests.kinds LOG…

The exit status is 1 if a kind was not tested on any of the kernels.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

_LINE = re.compile(r"^kinds tested on Linux (\S+):((?: \S+=(?:yes|lacking))+)", re.MULTILINE)


def line(release: str, ran: Mapping[str, bool]) -> str:
    """Return the line that a test run prints at its end.

    `ran`: kind → whether a test with it passed; False if all such tests were skipped or failed.
    """
    words = [f"{kind}={'yes' if ran[kind] else 'lacking'}" for kind in sorted(ran)]
    return f"kinds tested on Linux {release}: {' '.join(words)}"


def table(text: str, kinds: list[str]) -> tuple[str, list[str]]:
    """Return the table, and the kinds that no kernel ran."""
    runs: dict[str, dict[str, str]] = {}
    for release, words in _LINE.findall(text):
        outcomes = dict(word.split("=") for word in words.split())
        # a second run on the same kernel may test more kinds than the first one
        runs.setdefault(release, {}).update(
            {
                kind: outcome
                for kind, outcome in outcomes.items()
                if outcome == "yes" or kind not in runs[release]
            }
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
    from netorch.topology import KINDS
    from netorch.values.snapshot import SHAPERS

    text = "\n".join(Path(path).read_text(errors="replace") for path in paths)
    drawn, never = table(text, sorted({*KINDS, *SHAPERS}))
    print(drawn)
    if never:
        print(f"not tested on any kernel: {', '.join(never)}")
    return 1 if never else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
