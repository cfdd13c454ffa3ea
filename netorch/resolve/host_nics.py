"""NICs that the file takes from the host: each once, and not what it uses on the host itself."""

from __future__ import annotations

from netorch.resolve.draft import Draft, Iface, all_interfaces
from netorch.resolve.roles import BridgeRole, StandaloneRole
from netorch.state.key import HOST


def check_nics(draft: Draft) -> None:
    takers: dict[str, Iface] = {}
    host = draft.sites.get(HOST)
    bridges = (
        [iface for iface in host.ifaces.values() if isinstance(iface.role, BridgeRole)]
        if host is not None
        else []
    )
    uplinks = {
        iface.role.uplink: iface
        for iface in bridges
        if isinstance(iface.role, BridgeRole) and iface.role.uplink
    }
    for iface in all_interfaces(draft.sites):
        if not isinstance(iface.role, StandaloneRole) or not (
            nic := iface.role.model.taken_from(iface.name)
        ):
            continue
        path = (*iface.path, "from")
        first = takers.setdefault(nic, iface)
        if iface.site.label == HOST:
            draft.complain(
                "existing-interface",
                (*iface.path, "kind"),
                f"{iface.display}: what is of `kind: physical` is moved from the host into another node.",
                "Leave out the `kind` to use the interface on the host.",
            )
        elif nic == "lo":
            draft.complain(
                "loopback", path, "lo is the loopback interface: it stays in its namespace"
            )
        elif first is not iface:
            draft.complain(
                "nic-twice",
                path,
                f"{iface.display} and {first.display} are both the host's {nic}: it can be in one node alone",
            )
        elif nic in uplinks:
            draft.complain(
                "nic-twice",
                path,
                f"{iface.display}: the host's {nic} is the uplink of the bridge {uplinks[nic].name}, and stays there",
            )
        elif host is not None and nic in host.ifaces:
            draft.complain(
                "nic-twice",
                path,
                f"{iface.display}: this file uses {nic} on the host, and cannot move it away from there",
            )
