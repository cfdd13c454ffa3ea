"""What a program calls sockets by, for modules that make none themselves."""

from __future__ import annotations

from socket import AF_INET, AF_PACKET, SOCK_RAW, SOCK_STREAM, htons
from socket import socket as Socket

__all__ = ["AF_INET", "AF_PACKET", "SOCK_RAW", "SOCK_STREAM", "Socket", "htons"]
