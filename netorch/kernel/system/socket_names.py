"""Names of the socket module, for modules that do not open sockets themselves."""

from __future__ import annotations

from socket import AF_INET, AF_PACKET, SOCK_RAW, SOCK_STREAM, htons
from socket import socket as Socket

__all__ = ["AF_INET", "AF_PACKET", "SOCK_RAW", "SOCK_STREAM", "Socket", "htons"]
