"""Read and configure WireGuard devices by generic netlink (drivers/net/wireguard/netlink.c)."""

from __future__ import annotations

import errno
import os

from netorch.kernel.namespaces.indexes import Refused
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink import genl, wireguard
from netorch.netlink.codec import message
from netorch.values.requests import WireguardPeerDel, WireguardPeerSet, WireguardSet
from netorch.values.snapshot import WireguardRecord


class WireguardSocket:
    """A generic netlink socket in the namespace of the thread that opens it. A context manager."""

    def __init__(self) -> None:
        self._socket = Rtnl(genl.NETLINK_GENERIC)
        self._family = genl.family_number(
            self._socket.get(genl.GENL_ID_CTRL, (genl.family_question(wireguard.FAMILY),))[0]
        )

    def __enter__(self) -> WireguardSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def read(self, index: int) -> WireguardRecord:
        """Read the configuration of a device.

        If the link is not WireGuard or no longer exists, it is the configuration of a new device.
        """
        if self._family is None:
            return WireguardRecord()
        try:
            return wireguard.device(self._socket.dump(self._family, wireguard.get_device(index)))
        except OSError as error:
            if error.errno in (errno.ENODEV, errno.EOPNOTSUPP):
                return WireguardRecord()
            raise

    def carry_out(self, request: WireguardSet | WireguardPeerSet | WireguardPeerDel) -> None:
        """Carry out a request. Raise Refused if the kernel refuses."""
        if self._family is None:
            raise Refused(errno.EOPNOTSUPP, "this kernel has no WireGuard")
        match request:
            case WireguardSet():
                payloads = [wireguard.set_device(request)]
            case WireguardPeerSet():
                payloads = [*wireguard.set_peer(request)]
            case WireguardPeerDel():
                payloads = [wireguard.remove_peer(request)]
        for payload in payloads:
            seq = self._socket.next_seq()
            errors = self._socket.send(
                [(seq, message(self._family, c.NLM_F_REQUEST, seq, payload))]
            )
            if errors:
                number, sentence = errors[seq]
                raise Refused(number, sentence or os.strerror(number))
