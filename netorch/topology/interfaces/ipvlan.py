"""The keys of an ipvlan."""

from typing import ClassVar, Literal

from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.ipvlan import Ipvlan, IpvlanMode
from netorch.language.model import Field
from netorch.topology.interfaces.stacked import StackedModel
from netorch.topology.interfaces.standalone import PlaceName


class IpvlanModel(StackedModel):
    """A link on another interface, its parent, with the MAC address of the parent and IP addresses
    of its own. Use it where a segment allows only one MAC address per port. The link and its parent
    cannot reach each other. In modes `l3` and `l3s` there is no ARP, no broadcast and no multicast,
    and the parent's node routes the outgoing packets.
    """

    MAKES: ClassVar[type[StandaloneLink]] = Ipvlan
    kind: Literal["ipvlan"] = "ipvlan"
    parent: PlaceName = Field(
        description="Parent: the interface over which it sends and receives, `IF` or `NODE:IF`."
    )
    mode: IpvlanMode = Field(
        "l3",
        description="`l2` switches by address, and the link itself does ARP. `l3` routes. `l3s`"
        " routes through the packet filter of the parent's node. All ipvlans on one parent have the"
        " same mode (l3).",
    )
    flags: Literal["bridge", "private", "vepa"] = Field(
        "bridge",
        description="`bridge`: the ipvlans on one parent reach each other. `private`: they do not."
        " `vepa`: they do only through an external switch. All ipvlans on one parent have the same"
        " flags (bridge).",
    )
