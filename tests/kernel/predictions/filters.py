"""Random packet filters for the nodes of a topology, and their campaign over ICMP and TCP.

python -m tests.kernel.predictions.filters SEED FIRST ROUNDS

prints one line of JSON for each round. It runs inside a private host.
"""

from __future__ import annotations

import sys
from functools import partial
from random import Random
from typing import Any

import yaml

from netorch.kernel.firewall.filters import backend
from netorch.kernel.linux import LinuxKernel
from netorch.resolve.loader import load
from netorch.state.key import HOST
from netorch.walk import from_state
from netorch.walk.ends import explain
from netorch.walk.live import look
from netorch.walk.result import Walk
from netorch.walk.world import World
from tests.kernel.predictions.connections import PORTS, Question, Servers
from tests.kernel.predictions.networks import network
from tests.kernel.predictions.runs import (
    DECIDED,
    FILE,
    Round,
    campaign,
    netorch,
    prediction,
    targets,
)

WAYS = ("forward", "input", "output")
SAMPLE = 40
"""The number of questions that are asked in each round."""

Tree = dict[str, Any]


class FilterSketch:
    """Draws packet filters for the nodes of a topology."""

    def __init__(self, rng: Random, tree: Tree) -> None:
        self.rng, self.tree = rng, tree
        desired = load(yaml.safe_dump(tree).encode(), FILE).desired
        world = from_state.world(desired)
        self.addresses = sorted(
            (str(entry.address.ip), str(entry.address.network))
            for label, place in world.places.items()
            if label in world.names.values()
            for entry in place.addresses
            if not entry.address.ip.is_loopback and not entry.address.ip.is_link_local
        )
        self.names = [*tree["nodes"], *tree.get("networks", ())]
        self.interfaces = {
            node: [name for name in world.places[label].ifaces if name != "lo"]
            for node, label in world.names.items()
        }

    def draw(self) -> None:
        """Give some nodes a filter."""
        nodes = [name for name in self.tree["nodes"] if name != HOST]
        for node in self.rng.sample(nodes, min(len(nodes), self.rng.randint(1, 3))):
            self.tree["nodes"][node]["filter"] = self.filter_of(node)

    def filter_of(self, node: str) -> Tree:
        forwards = self.tree["nodes"][node].get("forwarding", False)
        ways = [way for way in WAYS if way != "forward" or forwards]
        words: Tree = {}
        for way in self.rng.sample(ways, self.rng.randint(1, len(ways))):
            words[way] = [self.rule(node, way) for _ in range(self.rng.randint(0, 4))]
            if self.rng.random() < 0.5:
                action = self.rng.choice(["drop", "drop", "reject"])
                words.setdefault("policy", {})[way] = action
        return words

    def rule(self, node: str, way: str) -> Tree:
        rng = self.rng
        words: Tree = {}
        for key in ("from", "to"):
            if rng.random() < 0.5:
                words[key] = self.end()
        for key, others in (("in", "output"), ("out", "input")):
            if way != others and self.interfaces[node] and rng.random() < 0.3:
                words[key] = rng.choice(["", "", "!"]) + rng.choice(self.interfaces[node])
        match rng.randrange(8):
            case 0:
                words |= {"proto": "tcp", "port": rng.choice([80, 81, [80, 443], "80-90"])}
            case 1:
                words |= {"proto": ["tcp", "udp"], "sport": rng.choice([80, "1024-65535"])}
            case 2:
                words |= {"proto": rng.choice(["tcp", "udp", "icmp", "icmpv6", "ospf"])}
            case 3:
                types = ["echo-request", "echo-request", "echo-reply"]
                words |= {"proto": ["icmp", "icmpv6"], "type": rng.choice(types)}
            case 4:
                states = ["new", "established", ["established", "related"], "invalid", "untracked"]
                words |= {"state": rng.choice(states)}
        # a rule without conditions would hide all others
        action = rng.choice(["accept", "drop", "reject"] if words else ["accept"])
        return words | {"action": action}

    def end(self) -> Any:
        rng = self.rng
        address, subnet = rng.choice(self.addresses)
        other, _ = rng.choice(self.addresses)
        return rng.choice(
            [
                address,
                subnet,
                [address, other],
                f"!{subnet}",
                rng.choice(["0.0.0.0/0", "::/0"]),
                rng.choice(self.names),
                rng.choice(self.names),
            ]
        )


def with_filters(rng: Random, text: str) -> str:
    """Return a topology with packet filters in some of its nodes."""
    plain = yaml.safe_load(text)
    for _ in range(20):
        tree: Tree = yaml.safe_load(text)
        FilterSketch(rng, tree).draw()
        made = yaml.safe_dump(tree, width=130)
        try:
            load(made.encode(), FILE)
        except Exception:  # such as a rule whose addresses are of two IP versions
            continue
        return made
    return yaml.safe_dump(plain, width=130)


class FilterRound(Round):
    """One topology with packet filters: applied, followed, asked, destroyed."""

    def __init__(self, seed: str, number: int) -> None:
        rng = Random(f"filters/{seed}/{number}")
        backends = ["nftables"]
        if backend("iptables").refusal() is None:
            backends.append("iptables")
        tree: Tree = yaml.safe_load(with_filters(rng, network(rng)))
        tree["backend"] = {"nat": backends[number % len(backends)]}
        super().__init__(rng, number, yaml.safe_dump(tree, width=130))

    def compare(self) -> None:
        self._follow()
        for command in ("apply", "diff"):
            status, text = netorch(command, FILE)
            if status or "in sync" not in text:
                self.report["faults"].append(f"{command} once more: {text}")

    def _follow(self) -> None:
        nodes = {node: label for node, label in self.desired.labels.items() if label != HOST}
        with LinuxKernel() as kernel, Servers(nodes.values()) as servers:
            live = look(kernel, self.desired)
            every = [
                (node, address, port)
                for node in nodes
                for address in targets(live)
                for port in (0, *PORTS)
            ]
            questions = self.rng.sample(every, min(SAMPLE, len(every)))
            worlds = {"live": live, "file": from_state.world(self.desired)}
            predictions = {
                (when, question): prediction(self._walk(world, question))
                for when, world in worlds.items()
                for question in questions
            }
            hopeful = [
                question
                for question in questions
                if any(predictions[when, question] != "fails" for when in worlds)
            ]
            answered = self._ask(servers, nodes, hopeful, 1.5)
            answered |= self._ask(servers, nodes, [*set(questions) - set(hopeful)], 0.5)
            for (when, question), value in predictions.items():
                self.report[value] = self.report.get(value, 0) + 1
                if value in DECIDED and (value == "arrives") != (question in answered):
                    again = self._ask(
                        servers, nodes, [question], 3.0 if value == "arrives" else 0.6
                    )
                    if (value == "arrives") != (question in again):
                        cause = self._walk(worlds[when], question).cause
                        self.report["wrong"].append([when, *question, value, cause])

    def _walk(self, world: World, question: Question) -> Walk:
        node, address, port = question
        return explain(world, node, address, port or None)

    def _ask(
        self, servers: Servers, nodes: dict[str, str], questions: list[Question], patience: float
    ) -> set[Question]:
        by_label = {(nodes[node], *rest): (node, *rest) for node, *rest in questions}
        return {by_label[answer] for answer in servers.ask(list(by_label), patience)}


if __name__ == "__main__":
    campaign(partial(FilterRound, sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
