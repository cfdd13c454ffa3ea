"""Random networks for the campaign of predictions.

They have routers with segments, cables, NAT, macvlans, tunnels and policy routing. Every address
reaches every other, as far as NAT allows.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from random import Random
from typing import Any

import yaml

NAME = "lab"


class Sketch:
    """A topology under construction."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.nodes: dict[str, dict[str, Any]] = {}
        self.networks: dict[str, dict[str, Any]] = {}
        self.links: list[dict[str, Any]] = []
        self.adjacent: dict[str, dict[str, int]] = {}
        """Router → its adjacent routers, each with the number of the subnet between them."""
        self.subnets: dict[int, str] = {}
        """Number of a subnet → a router that is on it."""
        self.number = 0
        self.leaf = 0

    @property
    def text(self) -> str:
        parts = {
            "name": NAME,
            "nodes": self.nodes,
            "networks": self.networks,
            "links": self.links,
        }
        return yaml.safe_dump({key: value for key, value in parts.items() if value}, width=130)

    def node(self, name: str) -> dict[str, Any]:
        return self.nodes.setdefault(name, {})

    def next_number(self) -> int:
        self.number += 1
        return self.number

    def next_leaf(self) -> str:
        self.leaf += 1
        return f"h{self.leaf}"

    # parts

    def routers(self, count: int) -> None:
        names = [f"r{number + 1}" for number in range(count)]
        for name in names:
            self.node(name)["forwarding"] = True
            self.adjacent[name] = {}
        pairs = list(pairwise(names))
        if count > 2 and self.rng.random() < 0.6:
            pairs.append((names[-1], names[0]))
        if count > 3 and self.rng.random() < 0.5:
            pairs.append((names[0], names[2]))
        for one, other in pairs:
            number = self.next_number()
            ends = [f"{one}:to-{other}", f"{other}:to-{one}"]
            self.links.append(
                {"endpoints": ends, "subnet": [f"10.0.{number}.0/30", f"fd00:0:{number}::/64"]}
            )
            self.adjacent[one][other] = number
            self.adjacent[other][one] = number
            self.subnets[number] = one

    def cable(self, router: str) -> None:
        """Add a host on a cable of its own."""
        number, host = self.next_number(), self.next_leaf()
        self.node(host)["routes"] = [
            {"to": "default", "via": f"10.0.{number}.1"},
            {"to": "default", "via": f"fd00:0:{number}::1"},
        ]
        ends = [f"{router}:to-{host}", f"{host}:eth0"]
        self.links.append(
            {"endpoints": ends, "subnet": [f"10.0.{number}.0/24", f"fd00:0:{number}::/64"]}
        )
        self.subnets[number] = router

    def segment(self, router: str, mode: str = "") -> None:
        """Add a network of one or two hosts with the router as its gateway or owner."""
        number = self.next_number()
        name = f"lan{number}"
        words: dict[str, Any] = {"subnet": [f"10.0.{number}.0/24", f"fd00:0:{number}::/64"]}
        if mode:
            words |= {"mode": mode, "node": router}
        else:
            words["gateway"] = router
            self.node(router).setdefault("networks", {})[name] = {}
            self.subnets[number] = router
        self.networks[name] = words
        for _ in range(self.rng.randint(1, 2)):
            self.node(self.next_leaf())["networks"] = [name]

    def upper_links(self, router: str) -> None:
        """Add a host on a cable, and two macvlans on its interface."""
        number, owner = self.next_number(), self.next_leaf()
        gateways = [f"10.0.{number}.1", f"fd00:0:{number}::1"]
        routes = [{"to": "default", "via": gateway} for gateway in gateways]
        self.node(owner)["routes"] = routes
        ends = [f"{router}:to-{owner}", f"{owner}:eth0"]
        self.links.append(
            {"endpoints": ends, "subnet": [f"10.0.{number}.0/24", f"fd00:0:{number}::/64"]}
        )
        self.subnets[number] = router
        mode = self.rng.choice(["bridge", "bridge", "private", "vepa"])
        for place in range(2):
            words = {
                "kind": "macvlan",
                "parent": f"{owner}:eth0",
                "mode": mode,
                "addresses": [
                    f"10.0.{number}.{20 + place}/24",
                    f"fd00:0:{number}::{20 + place}/64",
                ],
            }
            self.nodes[self.next_leaf()] = {"interfaces": {"eth0": words}, "routes": list(routes)}

    def tunnel(self) -> None:
        """Add a VXLAN with addresses of its own between two adjacent routers, if there are any."""
        if len(self.adjacent) < 2:
            return
        one, other = self.rng.sample(sorted(self.adjacent), 2)
        if other not in self.adjacent[one]:
            return
        between, number = self.adjacent[one][other], self.next_number()
        ends = (1, 2) if self._first(one, other) else (2, 1)
        places = dict(zip((one, other), ends, strict=True))
        for place, (node, far) in enumerate(((one, other), (other, one)), 1):
            self.node(node).setdefault("interfaces", {})["vx0"] = {
                "kind": "vxlan",
                "vni": number,
                "local": f"10.0.{between}.{places[node]}",
                "remote": f"10.0.{between}.{places[far]}",
                "addresses": [f"10.0.{number}.{place}/24", f"fd00:0:{number}::{place}/64"],
            }

    def _first(self, one: str, other: str) -> bool:
        """Return whether `one` is the first end of the cable between two routers."""
        return any(link["endpoints"][0] == f"{one}:to-{other}" for link in self.links)

    def routing(self) -> None:
        """Add routes from all routers to all subnets, over all shortest paths or one of them."""
        for router in self.adjacent:
            routes = self.node(router).setdefault("routes", [])
            for number, owner in sorted(self.subnets.items()):
                if owner == router or number in self.adjacent[router].values():
                    continue
                for version in (4, 6):
                    routes.append(self._route(router, owner, number, version))

    def _route(self, router: str, owner: str, number: int, version: int) -> dict[str, Any]:
        to = f"10.0.{number}.0/24" if version == 4 else f"fd00:0:{number}::/64"
        if number in {one for near in self.adjacent.values() for one in near.values()}:
            to = to.replace("/24", "/30")
        hops = self._hops(router, owner)
        gateways = [self._gateway(router, hop, version) for hop in hops]
        if len(gateways) > 1 and self.rng.random() < 0.7:
            return {"to": to, "nexthops": [{"via": gateway} for gateway in gateways]}
        return {"to": to, "via": self.rng.choice(gateways)}

    def _hops(self, router: str, owner: str) -> list[str]:
        """Return the adjacent routers that are on a shortest path from a router to another."""
        far = self._distances(owner)
        best = min(far[near] for near in self.adjacent[router])
        return [near for near in sorted(self.adjacent[router]) if far[near] == best]

    def _distances(self, owner: str) -> dict[str, int]:
        distances, queue = {owner: 0}, deque([owner])
        while queue:
            at = queue.popleft()
            for near in self.adjacent[at]:
                if near not in distances:
                    distances[near] = distances[at] + 1
                    queue.append(near)
        return distances

    def _gateway(self, router: str, hop: str, version: int) -> str:
        number = self.adjacent[router][hop]
        place = 1 if self._first(hop, router) else 2
        return f"10.0.{number}.{place}" if version == 4 else f"fd00:0:{number}::{place}"

    def policy(self) -> None:
        """Give a router rules that look some sources up in another table with the same routes."""
        router = self.rng.choice(sorted(self.adjacent))
        words = self.node(router)
        if not self.subnets:
            return
        number = self.rng.choice(sorted(self.subnets))
        for version in (4, 6):
            source = f"10.0.{number}.0/24" if version == 4 else f"fd00:0:{number}::/64"
            words.setdefault("rules", []).append({"from": source, "table": 100, "priority": 500})
        words["routes"] += [
            {**route, "table": 100} for route in words["routes"] if route["to"] != "default"
        ]


def network(rng: Random) -> str:
    """Return a random topology as YAML."""
    sketch = Sketch(rng)
    sketch.routers(rng.randint(1, 4))
    names = sorted(sketch.adjacent)
    makers = [
        sketch.cable,
        sketch.cable,
        sketch.segment,
        sketch.segment,
        sketch.upper_links,
        lambda router: sketch.segment(router, "nat"),
        lambda router: sketch.segment(router, "host-only"),
    ]
    for _ in range(rng.randint(2, 3)):
        rng.choice(makers)(rng.choice(names))
    if rng.random() < 0.2:
        sketch.tunnel()
    sketch.routing()
    if rng.random() < 0.2:
        sketch.policy()
    return sketch.text
