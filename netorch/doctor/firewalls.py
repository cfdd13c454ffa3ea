"""Checks of what filters packets on the host. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.doctor.findings import Finding, Level, Situation
from netorch.firewall.syntax import PREFERRED, syntax_of
from netorch.kinds.forward import ForwardAccept, loss, loss_warning
from netorch.state.key import HOST
from netorch.values.snapshot import DroppingChain

SOME = "BRIDGE"
"""Stands for a bridge's name in a command where no file says it."""

INSTALL = {
    "nftables": "apt install libnftables1",
    "iptables": "apt install iptables && pip install 'netorch[iptables]'",
}
"""Backend: the command that installs its library."""

BRIDGED = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}


def forward_drops(situation: Situation) -> Iterator[Finding]:
    """Docker's policy, or somebody's: netorch puts accepts there."""
    there = situation.machine.forward
    dropping = [chain for chain in there.forward_chains if chain.drops] if there is not None else []
    if dropping:
        names = ", ".join(
            f"ip{'6' if chain.version == 6 else ''}tables ({chain.flavour})" for chain in dropping
        )
        docker = " (Docker sets it so)" if "dockerd" in situation.machine.programs else ""
        what = f"the chain FORWARD of {names} drops what nothing accepts{docker}"
        yield Finding(
            Level.HANDLED,
            "forward-drops",
            f"{what}: netorch puts accepts for the bridges of its networks there, and takes them away again",
        )


def blind(situation: Situation) -> Iterator[Finding]:
    """What netorch would have to look into and cannot."""
    for found in situation.machine.forward.blind if situation.machine.forward is not None else ():
        yield Finding(
            Level.WARNING, "cannot-see-rules", found.what.rstrip("."), INSTALL[found.backend]
        )


def warnings(situation: Situation) -> set[str]:
    """The warnings of a plan that are findings of these checks as well."""
    there = situation.machine.forward
    seen = {found.what for found in there.blind} if there is not None else set()
    return seen | {
        loss_warning(HOST, wall, bridges) for wall, bridges in _lossy(situation) if bridges
    }


def walls(situation: Situation) -> Iterator[Finding]:
    """Chains of others' nftables tables that drop, firewalld's among them."""
    for wall, bridges in _lossy(situation):
        place = f"{wall.family} {wall.table} {wall.chain}"
        if bridges:
            what, command = loss(HOST, wall, bridges)
            yield Finding(Level.WARNING, "firewall-drops", what, command, object=place)
        elif not situation.topologies:
            what, command = loss(HOST, wall, [SOME])
            remedy = (
                f"{SOME} is the bridge of a network of mode nat or routed; `doctor FILE` names it."
            )
            yield Finding(Level.WARNING, "firewall-drops", what, command, remedy, place)


def _lossy(situation: Situation) -> Iterator[tuple[DroppingChain, list[str]]]:
    """Each chain that drops, with the bridges of the topologies that it concerns."""
    there = situation.machine.forward
    if there is None:
        return
    accepts = [
        resource
        for desired in situation.topologies.values()
        for resource in desired.state.values()
        if isinstance(resource, ForwardAccept) and resource.netns == HOST
    ]
    for wall in there.dropping_chains:
        bridges = [accept.bridge for accept in accepts if accept.is_stopped_by(there, wall)]
        yield wall, list(dict.fromkeys(bridges))


def firewalls(situation: Situation) -> Iterator[Finding]:
    """What nodes send to the host itself is for its firewall to let in."""
    machine = situation.machine
    bridges = situation.bridges() or ([] if situation.topologies else [SOME])
    if (
        machine.ufw is not None
        or "ENABLED=yes" in machine.files.get("/etc/ufw/ufw.conf", "").splitlines()
    ):
        if missing := [bridge for bridge in bridges if bridge not in (machine.ufw or ())]:
            what = f"ufw is active: what nodes send to this host itself through {', '.join(missing)} is not let in"
            yield Finding(
                Level.WARNING,
                "firewall-drops",
                what,
                " && ".join(f"ufw allow in on {bridge}" for bridge in missing),
            )
        return
    walled = any(
        wall.table == "firewalld"
        for wall in (machine.forward.dropping_chains if machine.forward is not None else ())
    )
    if "firewalld" in machine.programs and bridges and not walled:
        zone = " ".join(f"--add-interface={bridge}" for bridge in bridges)
        what = f"firewalld is running: what goes through {', '.join(bridges)} is for the zone of these interfaces to allow"
        yield Finding(Level.WARNING, "firewall-drops", what, f"firewall-cmd --zone=trusted {zone}")


def bridged(situation: Situation) -> Iterator[Finding]:
    """br_netfilter shows bridged frames to the chain FORWARD."""
    machine = situation.machine
    on = [version for version, path in BRIDGED.items() if machine.sysctls.get(path, "0") != "0"]
    if not on:
        return
    names = " and ".join(BRIDGED[version].replace("/", ".") for version in on) + (
        " is on" if len(on) == 1 else " are on"
    )
    there = machine.forward
    strange = (
        [wall for wall in there.dropping_chains if set(wall.versions) & set(on)]
        if there is not None
        else []
    )
    concerned = [
        wall
        for wall in strange
        if not situation.topologies or any(name not in wall.names for name in situation.bridges())
    ]
    if concerned:
        what = f"{names}, so that frames from one port of a bridge to another are dropped too, by {concerned[0].table}"
        settings = [f"{BRIDGED[version].replace('/', '.')}=0" for version in on]
        command = " ".join(["sysctl -w", *settings])
        yield Finding(Level.WARNING, "bridged-frames-filtered", what, command)
    elif there is not None and any(
        chain.drops and chain.version in on for chain in there.forward_chains
    ):
        what = f"{names}: the chain FORWARD, which drops, sees what goes from one port of a bridge to another"
        yield Finding(
            Level.HANDLED,
            "bridged-frames-filtered",
            f"{what}; netorch lets its networks through there",
        )


def backends(situation: Situation) -> Iterator[Finding]:
    """Networks of mode nat and routed, published ports and `nat` need one of them."""
    reasons = situation.backends
    if not reasons or None in reasons.values():
        return
    needed = [
        key
        for desired in situation.topologies.values()
        for key in desired.state
        if key.kind == "filter"
    ]
    module = f"modprobe {syntax_of(PREFERRED).MODULE}"
    install = module if situation.machine.libnftables else INSTALL[PREFERRED]
    what = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    level = Level.ERROR if needed else Level.WARNING
    yield Finding(
        level,
        "no-filter-backend",
        f"no backend for NAT and filtering works here. {what.rstrip('.')}",
        install,
    )
