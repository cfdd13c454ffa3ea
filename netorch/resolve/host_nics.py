"""Checks for the lent NICs: each in one node only, and none that the file uses on the host."""

from __future__ import annotations

from netorch.resolve.draft import Draft, Iface, all_interfaces
from netorch.resolve.roles import BridgeRole, StandaloneRole


def check_nics(draft: Draft) -> None:
    """Report lent NICs that cannot leave the host, and NICs that are lent twice."""
    takers: dict[tuple[str, str], Iface] = {}
    hosts = {site.machine: site for site in draft.sites.values() if site.is_host}
    uplinks = {
        (machine, iface.role.uplink): iface
        for machine, host in hosts.items()
        for iface in host.ifaces.values()
        if isinstance(iface.role, BridgeRole) and iface.role.uplink
    }
    for iface in all_interfaces(draft.sites):
        if not isinstance(iface.role, StandaloneRole) or not (
            nic := iface.role.model.taken_from(iface.name)
        ):
            continue
        path = (*iface.path, "from")
        place = iface.site.machine, nic
        host = hosts.get(iface.site.machine)
        first = takers.setdefault(place, iface)
        if iface.site.is_host:
            draft.complain(
                "existing-interface",
                (*iface.path, "kind"),
                f"{iface.display}: `kind: physical` moves a NIC from the host into another node,"
                " so it cannot be on the host.",
                "Leave out the `kind` to use the interface on the host.",
            )
        elif nic == "lo":
            draft.complain(
                "loopback", path, "lo is the loopback interface: it cannot leave its namespace"
            )
        elif first is not iface:
            draft.complain(
                "nic-twice",
                path,
                f"{iface.display} and {first.display} are both the host's {nic}: a NIC can be in"
                " one node only",
            )
        elif place in uplinks:
            draft.complain(
                "nic-twice",
                path,
                f"{iface.display}: the host's {nic} is the uplink of the bridge"
                f" {uplinks[place].name}, so it stays there",
            )
        elif host is not None and nic in host.ifaces:
            draft.complain(
                "nic-twice",
                path,
                f"{iface.display}: this file uses {nic} on the host, so it cannot move it into a"
                " node",
            )
