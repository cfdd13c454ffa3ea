"""Compare what a file with `hosts` says about this machine with the machine itself.

The tunnels to the other machines must be free to have their numbers here, and the packets that they
send must fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from netorch.converge.observe import Observed
from netorch.errors import ConflictError, Problem
from netorch.kernel.linux import LinuxKernel
from netorch.kinds.address import Address as Ifaddr
from netorch.kinds.base.link import link_key
from netorch.kinds.base.standalone import decoded
from netorch.kinds.fdb import Fdb
from netorch.kinds.vxlan import Vxlan
from netorch.kinds.wireguard import Wireguard
from netorch.language.addresses import Address
from netorch.resolve.desired import Desired, Machine, Path
from netorch.resolve.loaded import Loaded
from netorch.state.by_class import of_class
from netorch.state.key import HOST, Key, label_text
from netorch.state.plan import Plan
from netorch.values.marks import maker, read_alias
from netorch.values.snapshot import LinkRecord, Snapshot

STEP = 10000
"""The distance between the suggested first network identifiers of two topologies."""


def check_underlay(
    kernel: LinuxKernel,
    desired: Desired,
    observed: Observed,
    plan: Plan,
    snapshot: Snapshot,
    loaded: Loaded | None,
) -> list[str]:
    """Raise ConflictError for tunnels that this machine cannot have as the file describes them.

    Return warnings about a machine whose tunnels exist already.
    """
    machines = desired.machines
    if machines is None or machines.here not in machines.all:
        return []
    tunnels = {link.key: link for link in of_class(desired.state, Vxlan)}
    if not tunnels:
        return []
    new = [
        step.after for step in plan.changes if step.key in tunnels and isinstance(step.after, Vxlan)
    ]
    here = machines.all[machines.here]
    others = _others(desired, here, machines.all)
    narrow = list(_narrow_ways(kernel, here, others, snapshot))
    problems = list(_taken_numbers(kernel, desired, observed, new, loaded)) if new else []
    problems += _taken_ports(kernel, here, observed, plan, loaded)
    if new:
        problems += [problem.at(loaded) for problem in narrow]
    if problems:
        raise ConflictError(problems, loaded.file if loaded is not None else "")
    return [problem.sentence for problem in narrow] + _warn_of_missing(desired, here, snapshot)


def _warn_of_missing(desired: Desired, here: Machine, snapshot: Snapshot) -> list[str]:
    """Return a warning if this machine does not have its address."""
    own = {ip_address(record.local) for record in snapshot.namespaces[HOST].addresses}
    if here.address in own or any(
        one.netns == HOST and one.address.local == str(here.address)
        for one in of_class(desired.state, Ifaddr)
    ):
        return []
    return [
        f"{here.name}: this machine does not have the address {here.address}, so nothing arrives"
        " from the other machines."
    ]


def _others(
    desired: Desired, here: Machine, machines: Mapping[str, Machine]
) -> Mapping[Address, str]:
    """Return address → name of the machines to which tunnels lead."""
    ends = {link.remote for link in of_class(desired.state, Vxlan)}
    ends |= {entry.dst for entry in of_class(desired.state, Fdb)}
    return {
        machine.address: machine.name
        for machine in machines.values()
        if machine is not here and str(machine.tunnel_address) in ends
    }


class _NarrowWay:
    """An interface that is too narrow for what the file says of this machine."""

    def __init__(self, here: Machine, interface: str, mtu: int, others: list[str]) -> None:
        to = others[0] if len(others) == 1 else f"{others[0]} and {len(others) - 1} more"
        self._here, self._interface, self._mtu = here, interface, mtu
        self.sentence = (
            f"{here.name}: packets to {to} leave by {interface}, which has MTU {mtu}, but the file"
            f" says {here.mtu}."
        )

    def at(self, loaded: Loaded | None) -> Problem:
        """Return the problem with its place in the file."""
        path: Path = ("hosts", self._here.name, "mtu")
        command = f"ip link set {self._interface} mtu {self._here.mtu}"
        return Problem(
            "narrow-underlay",
            self.sentence,
            loaded.where(path) if loaded is not None else None,
            f"Write `mtu: {self._mtu}` for {self._here.name} under `hosts`, or raise the MTU:"
            f" `{command}`.",
            self._here.name,
            command,
        )


def _narrow_ways(
    kernel: LinuxKernel, here: Machine, others: Mapping[Address, str], snapshot: Snapshot
) -> Iterator[_NarrowWay]:
    """Yield the interfaces to other machines whose MTU is smaller than the file says."""
    mtus = {link.name: link.mtu for link in snapshot.namespaces[HOST].links}
    by_interface: dict[str, list[str]] = {}
    for address, interface in kernel.interfaces_to(HOST, others).items():
        by_interface.setdefault(interface, []).append(others[address])
    for interface, names in by_interface.items():
        mtu = mtus.get(interface, 0)
        if 0 < mtu < here.mtu:
            yield _NarrowWay(here, interface, mtu, names)


def _taken_numbers(
    kernel: LinuxKernel,
    desired: Desired,
    observed: Observed,
    new: list[Vxlan],
    loaded: Loaded | None,
) -> Iterator[Problem]:
    """Yield the tunnels whose number another link of this machine has."""
    links = [
        (label, link)
        for label, link in kernel.tunnels_of_host()
        # the planner takes care of those of this topology
        if link_key(label, link.name) not in observed.state
    ]
    taken = {_number_of(link): (label, link) for label, link in links}
    free = _first_free([number[0] for number in taken])
    for tunnel in new:
        claim = (tunnel.vni, tunnel.port, tunnel.version)
        if claim not in taken:
            continue
        label, link = taken[claim]
        place = f"{label_text(label)}/{link.name}"
        other = read_alias(link.alias).topology
        title, ways = tunnel.title(), f"Write `tunnels: {{vni: {free}}}`"
        yield Problem(
            "vni-taken",
            f"{title}: {place} has the VNI {tunnel.vni} on port {tunnel.port} already, and"
            f" {maker(link.alias)}.",
            loaded.where(_path(desired, tunnel.key)) if loaded is not None else None,
            f"{ways} in one of the two files." if other else f"{ways}, or remove {place}.",
            title,
        )


def _taken_ports(
    kernel: LinuxKernel, here: Machine, observed: Observed, plan: Plan, loaded: Loaded | None
) -> Iterator[Problem]:
    """Yield the WireGuard interface of the tunnels, if its port is in use on this machine."""
    for step in plan.changes:
        link, before = step.after, observed.state.get(step.key)
        if not isinstance(link, Wireguard) or not link.public_key:
            continue
        port = link.listen_port
        is_own = isinstance(before, Wireguard) and before.listen_port == port
        if is_own or ("udp", port) not in kernel.listening_on_host():
            continue
        command = f"ss -lunp sport = {port}"
        yield Problem(
            "port-in-use",
            f"{link.title()}: UDP port {port} of {here.name} is in use already.",
            loaded.where(("hosts", here.name, "port")) if loaded is not None else None,
            f"Write another `port` for {here.name} under `hosts`, on all machines. `{command}`"
            " shows the program, or `wg` the interface, that uses it.",
            link.title(),
            command,
        )


def _path(desired: Desired, key: Key) -> Path:
    return desired.origins.get(key, ())


def _number_of(link: LinkRecord) -> tuple[int, int, int]:
    """Return the network identifier, the port and the IP version of a tunnel."""
    fields = decoded(Vxlan, link)
    ends = f"{fields.get('local')}{fields.get('remote')}{fields.get('multicast')}"
    return fields.get("vni", 0), fields.get("port", 0), 6 if ":" in ends else 4


def _first_free(numbers: list[int]) -> int:
    return (max(numbers, default=0) // STEP + 1) * STEP
