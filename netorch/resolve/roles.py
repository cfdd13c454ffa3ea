"""Roles of interfaces: a class for each way in which an interface is made, with its values.

Resolving often meets the name of an interface before its role, because a link may name an interface
whose `kind` is elsewhere in the file. So an interface begins as `UnmadeRole` and gets another role
later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from netorch.immutable import Value

if TYPE_CHECKING:
    from netorch.resolve.draft import Iface
    from netorch.topology.interfaces.bridge_settings import BridgeSettings
    from netorch.topology.interfaces.standalone import StandaloneModel


class UnmadeRole(Value):
    """The role of an interface until resolving reaches the part of the file that makes it."""

    NAME: ClassVar[str] = ""


class RefusedRole(Value):
    """The part of the file that would make the interface is wrong, and a complaint says so.

    There are no further complaints about the interface.
    """

    NAME: ClassVar[str] = "half-wired"


class LoopbackRole(Value):
    """The interface is lo, which every namespace has."""

    NAME: ClassVar[str] = "lo"


class ExistingRole(Value):
    """The interface exists already. The file adds to it, but does not make it."""

    NAME: ClassVar[str] = "existing"


class VethRole(Value):
    """The interface is one end of a cable. The request for the near end makes both ends."""

    NAME: ClassVar[str] = "veth"
    peer: Iface
    """The other end."""
    far: bool
    """Whether this end is the far one, which the request for the other end makes."""


class BridgeRole(Value):
    """The interface is a bridge, either of a network or an interface of a node."""

    NAME: ClassVar[str] = "bridge"
    settings: BridgeSettings
    """The keys of the network or the interface."""
    uplink: str = ""
    """The name in the file of the uplink, whose addresses the bridge has, or ""."""
    existing: bool = False
    """Whether somebody else makes the bridge."""


class StandaloneRole(Value):
    """The interface is a standalone link, such as a VLAN device, a tunnel or a bond."""

    NAME: ClassVar[str] = "standalone link"
    model: StandaloneModel
    """The keys of the interface."""
    parent: Iface | None = None
    """The parent of an upper link."""
    joined: Iface | None = None
    """The tunnel of a vxlan network's first endpoint, which is on the same segment as this one."""


Role = (
    UnmadeRole | RefusedRole | LoopbackRole | ExistingRole | VethRole | BridgeRole | StandaloneRole
)

UNMADE, REFUSED, LOOPBACK, EXISTING = UnmadeRole(), RefusedRole(), LoopbackRole(), ExistingRole()
