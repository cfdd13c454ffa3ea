"""Checks of the packet filters on the host. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.doctor.findings import Finding, Level, Situation
from netorch.firewall.syntax import PREFERRED, syntax_of
from netorch.kinds.forward import ForwardAccept, loss, loss_warning
from netorch.state.key import HOST
from netorch.values.snapshot import DroppingChain
from netorch.version import install_command

PLACEHOLDER = "BRIDGE"
"""The text in place of a bridge's name in a command if no topology has a bridge."""

BRIDGED = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}


def install_library(backend: str) -> str:
    """Return the command that installs the library of a backend."""
    if backend == "nftables":
        return "apt install libnftables1"
    return f"apt install iptables && {install_command('iptables')}"


def forward_drops(situation: Situation) -> Iterator[Finding]:
    """Report iptables chains FORWARD that drop, such as Docker's: netorch adds accepts to them."""
    forward = situation.machine.forward
    chains = forward.forward_chains if forward is not None else ()
    dropping = [chain for chain in chains if chain.drops]
    if dropping:
        names = ", ".join(
            f"ip{'6' if chain.version == 6 else ''}tables ({chain.flavour})" for chain in dropping
        )
        docker = " (Docker sets it so)" if "dockerd" in situation.machine.programs else ""
        what = f"the chain FORWARD of {names} drops every packet that no rule accepts{docker}"
        yield Finding(
            Level.HANDLED,
            "forward-drops",
            f"{what}: netorch adds accepts for the bridges of its networks, "
            "and removes them with `destroy`",
        )


def unreadable_rules(situation: Situation) -> Iterator[Finding]:
    """Report foreign rules that netorch would have to read and cannot."""
    forward = situation.machine.forward
    for rules in forward.unreadable if forward is not None else ():
        yield Finding(
            Level.WARNING,
            "cannot-see-rules",
            rules.what.rstrip("."),
            install_library(rules.backend),
        )


def warnings(situation: Situation) -> set[str]:
    """Return the warnings of a plan that these checks report too."""
    forward = situation.machine.forward
    unreadable = {rules.what for rules in forward.unreadable} if forward is not None else set()
    return unreadable | {
        loss_warning(HOST, chain, bridges) for chain, bridges in _drops(situation) if bridges
    }


def dropping_chains(situation: Situation) -> Iterator[Finding]:
    """Report foreign nftables chains, such as firewalld's, that drop by default."""
    for chain, bridges in _drops(situation):
        place = f"{chain.family} {chain.table} {chain.chain}"
        if bridges:
            what, command = loss(HOST, chain, bridges)
            yield Finding(Level.WARNING, "firewall-drops", what, command, object=place)
        elif not situation.topologies:
            what, command = loss(HOST, chain, [PLACEHOLDER])
            remedy = (
                f"{PLACEHOLDER} stands for the bridge of a network of mode nat or routed; "
                "`doctor FILE` writes its name there."
            )
            yield Finding(Level.WARNING, "firewall-drops", what, command, remedy, place)


def _drops(situation: Situation) -> Iterator[tuple[DroppingChain, list[str]]]:
    """Yield each chain that drops, with those bridges of the topologies whose packets it drops."""
    forward = situation.machine.forward
    if forward is None:
        return
    accepts = [
        resource
        for desired in situation.topologies.values()
        for resource in desired.state.values()
        if isinstance(resource, ForwardAccept) and resource.netns == HOST
    ]
    for chain in forward.dropping_chains:
        bridges = [accept.bridge for accept in accepts if accept.is_stopped_by(forward, chain)]
        yield chain, list(dict.fromkeys(bridges))


def firewalls(situation: Situation) -> Iterator[Finding]:
    """Report ufw and firewalld if they do not accept what nodes send to the host itself."""
    machine = situation.machine
    bridges = situation.bridges() or ([] if situation.topologies else [PLACEHOLDER])
    if (
        machine.ufw is not None
        or "ENABLED=yes" in machine.files.get("/etc/ufw/ufw.conf", "").splitlines()
    ):
        if missing := [bridge for bridge in bridges if bridge not in (machine.ufw or ())]:
            what = (
                "ufw is active and does not accept what nodes send to this host itself "
                f"through {', '.join(missing)}"
            )
            yield Finding(
                Level.WARNING,
                "firewall-drops",
                what,
                " && ".join(f"ufw allow in on {bridge}" for bridge in missing),
            )
        return
    filtered = any(
        chain.table == "firewalld"
        for chain in (machine.forward.dropping_chains if machine.forward is not None else ())
    )
    if "firewalld" in machine.programs and bridges and not filtered:
        zone = " ".join(f"--add-interface={bridge}" for bridge in bridges)
        what = (
            f"firewalld is running, and passes packets through {', '.join(bridges)} "
            "only if the zone of these interfaces allows it"
        )
        yield Finding(Level.WARNING, "firewall-drops", what, f"firewall-cmd --zone=trusted {zone}")


def bridged(situation: Situation) -> Iterator[Finding]:
    """Report that br_netfilter passes bridged frames through the chain FORWARD."""
    machine = situation.machine
    on = [version for version, path in BRIDGED.items() if machine.sysctls.get(path, "0") != "0"]
    if not on:
        return
    names = " and ".join(BRIDGED[version].replace("/", ".") for version in on) + (
        " is on" if len(on) == 1 else " are on"
    )
    forward = machine.forward
    dropping = (
        [chain for chain in forward.dropping_chains if set(chain.versions) & set(on)]
        if forward is not None
        else []
    )
    concerned = [
        chain
        for chain in dropping
        if not situation.topologies or any(name not in chain.names for name in situation.bridges())
    ]
    if concerned:
        what = (
            f"{names}, so that {concerned[0].table} also drops frames "
            "from one port of a bridge to another"
        )
        settings = [f"{BRIDGED[version].replace('/', '.')}=0" for version in on]
        command = " ".join(["sysctl -w", *settings])
        yield Finding(Level.WARNING, "bridged-frames-filtered", what, command)
    elif forward is not None and any(
        chain.drops and chain.version in on for chain in forward.forward_chains
    ):
        what = (
            f"{names}, so that the chain FORWARD also drops frames "
            "from one port of a bridge to another"
        )
        yield Finding(
            Level.HANDLED,
            "bridged-frames-filtered",
            f"{what}; netorch adds accepts for its networks there",
        )


def backends(situation: Situation) -> Iterator[Finding]:
    """Report that no backend works.

    Networks of mode nat and routed, published ports and `nat` need one.
    """
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
    install = module if situation.machine.libnftables else install_library(PREFERRED)
    what = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    level = Level.ERROR if needed else Level.WARNING
    yield Finding(
        level,
        "no-filter-backend",
        f"no backend for NAT and filtering works here. {what.rstrip('.')}",
        install,
    )
