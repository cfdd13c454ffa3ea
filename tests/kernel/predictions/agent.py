"""The campaign inside a private host: a line of JSON for each round.

python -m tests.kernel.predictions.agent SEED FIRST ROUNDS
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import subprocess
import sys
import traceback
from pathlib import Path
from random import Random
from typing import Any

from netorch.cli import main
from netorch.kernel.linux import LinuxKernel
from netorch.resolve.loader import load
from netorch.state.key import HOST
from netorch.walk.ends import explain
from netorch.walk.live import look
from netorch.walk.result import LEAVES, Walk
from netorch.walk.world import World
from tests.kernel.predictions.damage import ACTS, Scene, ask
from tests.kernel.predictions.networks import NAME, network
from tests.kernel.predictions.pings import Pair, Pings

FILE = "lab.yaml"
JUDGED = ("arrives", "fails")
SAMPLE = 30
"""Pairs that are followed in each round."""


def netorch(*argv: str) -> tuple[int, str]:
    """Status and output of a command."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        status = main(list(argv))
    return status, out.getvalue()


def targets(world: World) -> list[str]:
    """Addresses of the file, of both versions."""
    assert world.asked is not None
    found = {
        str(held.address.ip)
        for label, place in world.asked.places.items()
        if label in world.names.values() and label != HOST
        for held in place.addresses
        if not held.address.ip.is_loopback and not held.address.ip.is_link_local
    }
    return sorted(found)


def prediction(walk: Walk) -> str:
    """`arrives` or `fails`; `uncertain` where the walk says so, `differs` where it depends on the way."""
    if not walk.certain or walk.outcome == LEAVES:
        return "uncertain"
    return "differs" if walk.differs else walk.outcome


class Round:
    """One topology: applied, damaged, followed, pinged, mended, destroyed."""

    def __init__(self, seed: str, number: int) -> None:
        self.rng = Random(f"{seed}/{number}")
        self.number = number
        self.unseen: list[str] = []
        """Commands that take back what was done to what `diff` does not look at."""
        self.text = network(self.rng)
        Path(FILE).write_text(self.text)
        self.desired = load(self.text.encode(), FILE).desired
        self.told: dict[str, Any] = {"round": number, "wrong": [], "faults": []}

    def run(self) -> dict[str, Any]:
        status, said = netorch("apply", FILE)
        if status:
            return self.told | {"faults": [f"apply: {said}"], "file": self.text}
        try:
            self._live()
        finally:
            status, said = netorch("destroy", NAME)
            if status:
                self.told["faults"].append(f"destroy: {said}")
        if self.told["wrong"] or self.told["faults"]:
            self.told["file"] = self.text
        return self.told

    def _live(self) -> None:
        nodes = [label for label in self.desired.labels.values() if label != HOST]
        with LinuxKernel() as kernel, Pings(nodes) as pings:
            world = look(kernel, self.desired)
            every = [(label, address) for label in nodes for address in targets(world)]
            pairs = self.rng.sample(every, min(SAMPLE, len(every)))
            self._compare(kernel, pings, pairs, world, "clean")
            promised = pings.ask(pairs, 0.3) | pings.ask(pairs, 0.3)
            damage = self._damage(targets(world))
            self.told["damage"] = damage
            world = look(kernel, self.desired)
            self._compare(kernel, pings, pairs, world, "damaged")
            broken = promised - pings.ask(promised, 0.5)
        self._mend(promised, broken, nodes)

    def _damage(self, others: list[str]) -> list[str]:
        labels = sorted(path.name for path in Path("/run/netns").iterdir())
        macs = sorted(
            {
                link["address"]
                for label in labels
                for link in ask("ip", "-n", label, "-j", "link")
                if link["ifname"] != "lo"
            }
        )
        done: list[str] = []
        for _ in range(self.rng.choice([1, 1, 1, 2, 3])):
            for _ in range(20):
                scene = Scene(self.rng, self.rng.choice(labels), others, macs)
                act = self.rng.choice(sorted(ACTS))
                command = ACTS[act](scene)
                if not command:
                    continue
                made = subprocess.run(command, shell=True, capture_output=True, check=False)
                if made.returncode == 0:
                    done.append(command)
                    self.unseen += [scene.undo] if scene.undo else []
                    break
        return done

    def _compare(
        self, kernel: LinuxKernel, pings: Pings, pairs: list[Pair], world: World, when: str
    ) -> None:
        walks = {pair: explain(world, self._node(pair[0]), pair[1]) for pair in pairs}
        said = {pair: prediction(walk) for pair, walk in walks.items()}
        for answer in said.values():
            self.told[f"{when} {answer}"] = self.told.get(f"{when} {answer}", 0) + 1
        doubts = sorted({doubt for walk in walks.values() for doubt in walk.doubts})
        if doubts:
            self.told["doubts"] = doubts
        hoped = [pair for pair in pairs if said[pair] == "arrives"]
        got = pings.ask(hoped, 1.0, 0.0)
        got |= pings.ask([pair for pair in pairs if said[pair] != "arrives"], 0.35)
        for pair in pairs:
            if said[pair] in JUDGED and (said[pair] == "arrives") != (pair in got):
                self._recheck(kernel, pings, pair, when)

    def _recheck(self, kernel: LinuxKernel, pings: Pings, pair: Pair, when: str) -> None:
        """A pair that was not as predicted is followed and pinged alone: others may have helped."""
        for _ in range(2):
            walk = explain(look(kernel, self.desired), self._node(pair[0]), pair[1])
            said = prediction(walk)
            answered = bool(pings.ask([pair], 3.0 if said == "arrives" else 0.5))
            if said not in JUDGED or (said == "arrives") == answered:
                return
        self.told["wrong"].append(
            [when, *pair, walk.outcome, "answers" if answered else "silent", walk.cause]
        )

    def _node(self, label: str) -> str:
        return next(node for node, there in self.desired.labels.items() if there == label)

    def _mend(self, promised: set[Pair], broken: set[Pair], nodes: list[str]) -> None:
        """`diff` sees all of the damage but what it does not look at, and `apply` mends it.

        What it does not look at is taken back by hand. Where `diff` said that all is in sync, no
        more than that may be needed.
        """
        status, said = netorch("diff", FILE)
        if status not in (0, 2):
            self.told["faults"].append(f"diff: {said}")
        in_sync = status == 0
        if broken and in_sync and not self.unseen:
            self.told["faults"].append(f"diff says in sync, {sorted(broken)[0]} is broken")
        if broken:
            self.told["unseen" if in_sync else "mended"] = True
        if not in_sync:
            self._apply(bool(self.unseen))
        for command in reversed(self.unseen):
            subprocess.run(command, shell=True, capture_output=True, check=False)
        if self.unseen and not in_sync:
            self._apply(False)
        with Pings(nodes) as pings:
            left = set(promised)
            for _ in range(12):
                left -= pings.ask(left, 0.5)
                if not left:
                    break
        if left:
            how = "seen by diff" if in_sync else "mended by apply"
            self.told["faults"].append(f"not {how}: {sorted(left)[0]} ({len(left)})")
        status, said = netorch("diff", FILE)
        if status:
            self.told["faults"].append(f"diff after the apply: {said}")

    def _apply(self, may_fail: bool) -> None:
        """Apply the file. What `diff` does not look at may be in the way: `may_fail`."""
        status, said = netorch("apply", FILE)
        if status and not may_fail:
            self.told["faults"].append(f"apply after the damage: {said}")


def campaign(seed: str, first: int, rounds: int) -> None:
    for number in range(first, first + rounds):
        try:
            told = Round(seed, number).run()
        except Exception:
            told = {"round": number, "faults": [traceback.format_exc()], "wrong": []}
            netorch("destroy", NAME)
        print(json.dumps(told), flush=True)
        gc.collect()  # because the command line turns that off, which is right for one command


if __name__ == "__main__":
    campaign(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
