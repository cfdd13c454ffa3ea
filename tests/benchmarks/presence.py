"""Checks by outside tools that a measured network exists: the time of a failure is useless."""

from __future__ import annotations

from tests.benchmarks.machine import CommandFailed, Machine
from tests.benchmarks.shapes import MOVED, Shape, cable_addresses, member_address, published_port

PINGED = 1000
"""The most nodes on one segment for which a ping is sent.

With more nodes, the multicasts of new links fill every queue for minutes, and a ping gets lost.
Then the check is that the last node has its address and a carrier.
"""


def require_present(machine: Machine, shape: Shape, *, changed: bool = False) -> None:
    """Raise CommandFailed unless the network exists.

    Every namespace must exist, and the last node must have its address and reach the first node,
    or its neighbour.
    """
    host = machine.host
    names = {line.split()[0] for line in host.run("ip", "netns", "list").stdout.splitlines()}
    if missing := set(shape.nodes) - names:
        raise CommandFailed(f"{shape.name}: {len(missing)} namespaces are missing")
    if shape.published:
        port = published_port(shape.published - 1 + MOVED * changed)
        if f" {port} " not in host.run(
            "ip", "netns", "exec", "box", "nft", "list", "ruleset"
        ).stdout.replace(":", " "):
            raise CommandFailed(f"{shape.name}: port {port} is not published")
        return
    if shape.members:
        where, target = shape.members[-1], member_address(1)
        address = member_address(len(shape.members) + MOVED * changed)
    else:
        where = shape.cables[-1].near
        address, target = cable_addresses(len(shape.cables) - 1 + MOVED * changed)
    if f" {address}/" not in host.run("ip", "-n", where, "-o", "address").stdout:
        raise CommandFailed(f"{shape.name}: {where} does not have {address}")
    if len(shape.members) > PINGED:
        if "LOWER_UP" not in host.run("ip", "-n", where, "-o", "link", "show", "eth0").stdout:
            raise CommandFailed(f"{shape.name}: eth0 of {where} has no carrier")
    elif not host.reaches(where, target):
        raise CommandFailed(f"{shape.name}: {where} does not reach {target}")


def require_absent(machine: Machine, shape: Shape) -> None:
    """Raise CommandFailed if a namespace or a link is left."""
    left = machine.host.run("ip", "netns", "list").stdout.split() + machine.host.links()
    if left != ["lo"]:
        raise CommandFailed(
            f"{shape.name}: {len(left) - 1} namespaces or links are left: {' '.join(left[:10])}"
        )
