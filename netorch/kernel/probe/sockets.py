"""Opens the sockets for probes in the namespace of the calling thread (raw(7), icmp(7), tcp(7))."""

from __future__ import annotations

import socket
import sys

from netorch.kernel.probe import icmp

FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_SOL_RAW, _ICMP_FILTER, _ICMP6_FILTER = 255, 1, 1
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE, _IPV6_DONTFRAG = 10, 23, 3, 62
_SO_RCVBUFFORCE = 33
_BUFFER = 1 << 20


def raw_socket(version: int) -> socket.socket:
    """Open a raw socket for echo messages and for ICMP errors about TCP segments."""
    protocol = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
    opened = socket.socket(
        FAMILY[version], socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol
    )
    try:
        received = sum(1 << kind for kind in icmp.RECEIVED_TYPES[version])
        if version == 4:
            opened.setsockopt(
                _SOL_RAW, _ICMP_FILTER, (~received & 0xFFFFFFFF).to_bytes(4, sys.byteorder)
            )
            opened.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_PROBE)
        else:
            blocked = ((1 << 256) - 1) & ~received
            words = [
                (blocked >> shift & 0xFFFFFFFF).to_bytes(4, sys.byteorder)
                for shift in range(0, 256, 32)
            ]
            opened.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, b"".join(words))
            opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE)
            opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_DONTFRAG, 1)
        try:
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        except PermissionError:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    except BaseException:
        opened.close()
        raise
    return opened


def tcp_socket(version: int) -> socket.socket:
    """Open a TCP socket."""
    return socket.socket(
        FAMILY[version], socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    )
