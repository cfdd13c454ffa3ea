"""The campaign of predictions inside a private host. Prints one line of JSON for each round.

python -m tests.kernel.predictions.agent SEED FIRST ROUNDS
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from random import Random

from netorch.kernel.linux import LinuxKernel
from netorch.state.key import HOST
from netorch.walk.ends import explain
from netorch.walk.live import look
from netorch.walk.world import World
from tests.kernel.predictions.damage import ACTS, Scene, ask
from tests.kernel.predictions.networks import network
from tests.kernel.predictions.pings import Pair, Pings
from tests.kernel.predictions.runs import (
    DECIDED,
    FILE,
    Round,
    campaign,
    netorch,
    prediction,
    targets,
)

SAMPLE = 30
"""The number of pairs that are followed in each round."""


class DamageRound(Round):
    """One topology: applied, damaged, followed, pinged, repaired, destroyed."""

    def __init__(self, seed: str, number: int) -> None:
        rng = Random(f"{seed}/{number}")
        super().__init__(rng, number, network(rng))
        self.undos: list[str] = []
        """Commands that undo the damage to settings that `diff` does not compare."""

    def compare(self) -> None:
        nodes = [label for label in self.desired.labels.values() if label != HOST]
        with LinuxKernel() as kernel, Pings(nodes) as pings:
            world = look(kernel, self.desired)
            every = [(label, address) for label in nodes for address in targets(world)]
            pairs = self.rng.sample(every, min(SAMPLE, len(every)))
            self._follow(kernel, pings, pairs, world, "clean")
            answered = pings.ask(pairs, 0.3) | pings.ask(pairs, 0.3)
            damage = self._damage(targets(world))
            self.report["damage"] = damage
            world = look(kernel, self.desired)
            self._follow(kernel, pings, pairs, world, "damaged")
            broken = answered - pings.ask(answered, 0.5)
        self._repair(answered, broken, nodes)

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
                    self.undos += [scene.undo] if scene.undo else []
                    break
        return done

    def _follow(
        self, kernel: LinuxKernel, pings: Pings, pairs: list[Pair], world: World, when: str
    ) -> None:
        walks = {pair: explain(world, self._node(pair[0]), pair[1]) for pair in pairs}
        predictions = {pair: prediction(walk) for pair, walk in walks.items()}
        for value in predictions.values():
            self.report[f"{when} {value}"] = self.report.get(f"{when} {value}", 0) + 1
        doubts = sorted({doubt for walk in walks.values() for doubt in walk.doubts})
        if doubts:
            self.report["doubts"] = doubts
        arriving = [pair for pair in pairs if predictions[pair] == "arrives"]
        answered = pings.ask(arriving, 1.0, 0.0)
        answered |= pings.ask([pair for pair in pairs if predictions[pair] != "arrives"], 0.35)
        for pair in pairs:
            value = predictions[pair]
            if value in DECIDED and (value == "arrives") != (pair in answered):
                self._recheck(kernel, pings, pair, when)

    def _recheck(self, kernel: LinuxKernel, pings: Pings, pair: Pair, when: str) -> None:
        """Follow and ping a pair alone after a wrong prediction, as other pings may have helped."""
        for _ in range(2):
            walk = explain(look(kernel, self.desired), self._node(pair[0]), pair[1])
            value = prediction(walk)
            answered = bool(pings.ask([pair], 3.0 if value == "arrives" else 0.5))
            if value not in DECIDED or (value == "arrives") == answered:
                return
        self.report["wrong"].append(
            [when, *pair, walk.outcome, "answers" if answered else "silent", walk.cause]
        )

    def _node(self, label: str) -> str:
        return next(node for node, there in self.desired.labels.items() if there == label)

    def _repair(self, answered: set[Pair], broken: set[Pair], nodes: list[str]) -> None:
        """Repair the damage with `apply`, and check that `diff` saw it.

        The commands in `undos` repair the settings that `diff` does not compare. If `diff` reported
        that the topology is in sync, nothing else may be needed.
        """
        status, text = netorch("diff", FILE)
        if status not in (0, 2):
            self.report["faults"].append(f"diff: {text}")
        in_sync = status == 0
        if broken and in_sync and not self.undos:
            self.report["faults"].append(f"diff reports in sync, but {sorted(broken)[0]} is broken")
        if broken:
            self.report["unseen" if in_sync else "mended"] = True
        if not in_sync:
            self._apply(bool(self.undos))
        for command in reversed(self.undos):
            subprocess.run(command, shell=True, capture_output=True, check=False)
        if self.undos and not in_sync:
            self._apply(False)
        with Pings(nodes) as pings:
            left = set(answered)
            for _ in range(12):
                left -= pings.ask(left, 0.5)
                if not left:
                    break
        if left:
            how = "seen by diff" if in_sync else "repaired by apply"
            self.report["faults"].append(f"not {how}: {sorted(left)[0]} ({len(left)})")
        status, text = netorch("diff", FILE)
        if status:
            self.report["faults"].append(f"diff after the apply: {text}")

    def _apply(self, may_fail: bool) -> None:
        """Apply the file. It `may_fail` if a setting that `diff` does not compare is in the way."""
        status, text = netorch("apply", FILE)
        if status and not may_fail:
            self.report["faults"].append(f"apply after the damage: {text}")


if __name__ == "__main__":
    campaign(partial(DamageRound, sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
