"""The keys of a macvlan."""

from typing import ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.macvlan import Macvlan
from netorch.topology.interfaces.macvlan_common import MacvlanLike


class MacvlanModel(MacvlanLike):
    """A link on another interface, its parent, with a MAC address of its own. It connects a node to
    the segment of a NIC. The link and its parent cannot reach each other.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Macvlan
    kind: Literal["macvlan"] = "macvlan"
