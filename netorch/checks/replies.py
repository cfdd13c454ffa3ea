"""Describes replies to probes in words."""

from __future__ import annotations

import errno

from netorch.kernel.probe.probes import Probe, Reply, Sort

ICMP = {
    (3, 0): "network unreachable",
    (3, 1): "host unreachable",
    (3, 2): "protocol unreachable",
    (3, 3): "port unreachable",
    (3, 4): "fragmentation needed",
    (3, 5): "source route failed",
    (3, 6): "network unknown",
    (3, 7): "host unknown",
    (3, 9): "network prohibited",
    (3, 10): "host prohibited",
    (3, 11): "network unreachable for this type of service",
    (3, 12): "host unreachable for this type of service",
    (3, 13): "administratively prohibited",
    (11, 0): "time to live exceeded",
    (11, 1): "reassembly time exceeded",
}
"""ICMP type and code (RFC 792, RFC 1812) → their meaning."""

ICMP6 = {
    (1, 0): "no route",
    (1, 1): "administratively prohibited",
    (1, 2): "beyond the scope of its source address",
    (1, 3): "address unreachable",
    (1, 4): "port unreachable",
    (1, 5): "source address failed the policy",
    (1, 6): "route rejected",
    (2, 0): "packet too big",
    (3, 0): "hop limit exceeded",
    (3, 1): "reassembly time exceeded",
}
"""ICMPv6 type and code (RFC 4443) → their meaning."""


def reply_text(
    node: str, probe: Probe, reply: Reply, *, small: bool = False, near: bool = False
) -> str:
    """Return a text about the reply to a probe that `node` sent.

    The text is empty if the probe was answered or needed no answer. `small` is true if a small
    packet got an answer. `near` is true if both nodes are in one network.
    """
    match reply.sort:
        case Sort.ANSWERED | Sort.NOT_NEEDED:
            return ""
        case Sort.SILENT:
            if probe.size and small:
                return (
                    f"no answer to a packet of {probe.size} bytes, but one to a small packet: "
                    "something on the way drops the large one silently"
                )
            return f"no answer from {probe.address}"
        case Sort.REFUSED:
            return f"refused by {reply.sender}: the port is closed"
        case Sort.UNREACHABLE:
            return _unreachable(node, probe, reply, near)
        case Sort.STOPPED:
            return _stopped(node, probe, reply)
        case Sort.ELSEWHERE:
            return f"{probe.address} answers, but maybe not the node: {reply.text}"
        case Sort.UNSENT:
            return f"could not be tried: {_unsent(node, probe, reply)}"


def _unreachable(node: str, probe: Probe, reply: Reply, near: bool) -> str:
    names, none = (ICMP, (3, 1)) if probe.address.version == 4 else (ICMP6, (1, 3))
    if reply.own and reply.icmp == none:
        whom = (
            f"{probe.address}"
            if near or probe.address.is_link_local
            else f"{probe.address} or the gateway to it"
        )
        return (
            f"{node} gets no {'ARP' if probe.address.version == 4 else 'neighbour'} "
            f"answer from {whom}"
        )
    name = names.get(reply.icmp, f"ICMP type {reply.icmp[0]} code {reply.icmp[1]}")
    return f"{name}, says {reply.sender}" + (
        f": at most {reply.mtu} bytes pass there" if reply.mtu else ""
    )


def _stopped(node: str, probe: Probe, reply: Reply) -> str:
    match reply.errno:
        case errno.ENETUNREACH:
            return f"{node} has no route to {probe.address}"
        case errno.EHOSTUNREACH:
            return f"{node} finds {probe.address} unreachable"
        case errno.EACCES:
            return (
                f"{node} may not send to {probe.address}: "
                "a route prohibits it, or it is a broadcast address"
            )
        case errno.EPERM:
            return f"the packet filter of {node} itself drops it"
        case errno.EMSGSIZE:
            most = (
                f"carries at most {reply.mtu} bytes"
                if reply.mtu
                else f"does not carry a packet of {probe.size} bytes"
            )
            return f"the link of {node} to {probe.address} {most}"
        case errno.ENETDOWN:
            return f"the link of {node} is down"
        case _:
            return f"a route of {node} drops packets to {probe.address}"


def _unsent(node: str, probe: Probe, reply: Reply) -> str:
    match reply.errno:
        case errno.ENOBUFS:
            family = "ipv4" if probe.address.version == 4 else "ipv6"
            return (
                "this machine's neighbour table is full: "
                f"raise net.{family}.neigh.default.gc_thresh3"
            )
        case errno.EADDRNOTAVAIL:
            return f"{node} has no IPv{probe.address.version} address that is ready"
        case errno.EAFNOSUPPORT:
            return f"this kernel has no IPv{probe.address.version}"
        case errno.ENODEV:
            return f"{node} has no interface {probe.zone}"
        case errno.ENOENT:
            return f"the namespace of {node} is gone"
        case errno.EMFILE | errno.ENFILE:
            return "too many files are open: raise `ulimit -n`"
        case number:
            return errno.errorcode.get(number, f"error {number}")
