"""What the campaigns of predictions share: commands of netorch, targets and predictions."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from netorch.cli import main
from netorch.resolve.loader import load
from netorch.state.key import HOST
from netorch.walk.result import LEAVES, Walk
from netorch.walk.world import World
from tests.kernel.predictions.networks import NAME

FILE = "lab.yaml"
DECIDED = ("arrives", "fails")
"""Predictions that are compared with a ping."""


def netorch(*argv: str) -> tuple[int, str]:
    """Run a command of netorch. Returns its status and output."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        status = main(list(argv))
    return status, out.getvalue()


def targets(world: World) -> list[str]:
    """Return the file's addresses of both IP versions."""
    assert world.asked is not None
    addresses = {
        str(entry.address.ip)
        for label, place in world.asked.places.items()
        if label in world.names.values() and label != HOST
        for entry in place.addresses
        if not entry.address.ip.is_loopback and not entry.address.ip.is_link_local
    }
    return sorted(addresses)


def prediction(walk: Walk) -> str:
    """Return `arrives` or `fails`, or why the walk predicts neither.

    The result is `uncertain` if the walk has doubts or leaves the topology, and `differs` if the
    outcome depends on the path.
    """
    if not walk.certain or walk.outcome == LEAVES:
        return "uncertain"
    return "differs" if walk.differs else walk.outcome


class Round(ABC):
    """One topology: applied, compared with the predictions, destroyed."""

    def __init__(self, rng: Random, number: int, text: str) -> None:
        self.rng, self.text = rng, text
        Path(FILE).write_text(text)
        self.desired = load(text.encode(), FILE).desired
        self.report: dict[str, Any] = {"round": number, "wrong": [], "faults": []}

    def run(self) -> dict[str, Any]:
        status, text = netorch("apply", FILE)
        if status:
            return self.report | {"faults": [f"apply: {text}"], "file": self.text}
        try:
            self.compare()
        finally:
            status, text = netorch("destroy", NAME)
            if status:
                self.report["faults"].append(f"destroy: {text}")
        if self.report["wrong"] or self.report["faults"]:
            self.report["file"] = self.text
        return self.report

    @abstractmethod
    def compare(self) -> None:
        """Compare the predictions with the kernel, and fill in the report."""


def campaign(start: Callable[[int], Round], first: int, rounds: int) -> None:
    """Run so many rounds, and print one line of JSON for each."""
    for number in range(first, first + rounds):
        try:
            report = start(number).run()
        except Exception:
            report = {"round": number, "faults": [traceback.format_exc()], "wrong": []}
            netorch("destroy", NAME)
        print(json.dumps(report), flush=True)
        gc.collect()  # because the command line turns it off, which suits a single command
