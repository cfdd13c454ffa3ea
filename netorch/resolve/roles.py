"""What makes an interface: one class for each way, with what that way alone needs.

An interface is known by its name before its role is: a link may name one whose `kind` the file gives
elsewhere. It begins as `UnmadeRole`, and gets another role where resolving finds out more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from netorch.immutable import Value

if TYPE_CHECKING:
    from netorch.kinds.base.standalone import StandaloneModel
    from netorch.kinds.bridge import BridgeSettings
    from netorch.resolve.draft import Iface


class UnmadeRole(Value):
    """Nothing makes the interface so far."""

    NAME: ClassVar[str] = ""


class RefusedRole(Value):
    """What was to make the interface is wrong, and a complaint says so: nobody asks for it again."""

    NAME: ClassVar[str] = "half-wired"


class LoopbackRole(Value):
    """Every namespace has lo."""

    NAME: ClassVar[str] = "lo"


class ExistingRole(Value):
    """The interface is there already: the file adds to it, and does not make it."""

    NAME: ClassVar[str] = "existing"


class VethRole(Value):
    """One end of a cable. The near end makes both; `far` is the other one."""

    NAME: ClassVar[str] = "veth"
    peer: Iface
    far: bool


class BridgeRole(Value):
    """A bridge, of a network or by itself. `uplink`: the file's name of the NIC whose addresses it has, "" without one."""

    NAME: ClassVar[str] = "bridge"
    settings: BridgeSettings
    uplink: str = ""


class StandaloneRole(Value):
    """A link that is made alone, such as a VLAN device, a tunnel or a bond.

    `parent`: what it rides on. `joined`: another end of the tunnels that make one segment of several
    bridges.
    """

    NAME: ClassVar[str] = "solo"
    model: StandaloneModel
    parent: Iface | None = None
    joined: Iface | None = None


Role = (
    UnmadeRole | RefusedRole | LoopbackRole | ExistingRole | VethRole | BridgeRole | StandaloneRole
)

UNMADE, REFUSED, LOOPBACK, EXISTING = UnmadeRole(), RefusedRole(), LoopbackRole(), ExistingRole()
