"""The settings of a bridge, which a network with a bridge takes too."""

from typing import Annotated

from netorch.language.model import Before, Field, Model
from netorch.language.scalars import Flag, centiseconds, integer

Priority = Annotated[int, Before(integer(0, 65535))]


class BridgeSettings(Model):
    """The settings of a bridge, under `interfaces` and under `networks`.

    Times are in centiseconds, as in `ip link`.
    """

    stp: Flag = Field(False, description="Run the spanning tree protocol (STP) (false).")
    priority: Priority = Field(
        32768, description="Priority in STP; the bridge with the lowest value is root (32768)."
    )
    forward_delay: Annotated[int, Before(centiseconds(0, 3000))] = Field(
        1500,
        description="How long a port listens, and then how long it learns, before it forwards."
        " With `stp` at least `2s` (15s).",
    )
    hello_time: Annotated[int, Before(centiseconds(100, 1000))] = Field(
        200, description="Interval between the hello messages of STP (2s)."
    )
    max_age: Annotated[int, Before(centiseconds(600, 4000))] = Field(
        2000, description="Time after which a hello message of STP is no longer valid (20s)."
    )
    ageing_time: Annotated[int, Before(centiseconds(0, 2**31 - 1))] = Field(
        30000,
        description="Time after which the bridge forgets a MAC address that sends nothing (300s).",
    )
    mcast_snooping: Flag = Field(
        True,
        description="Forward multicast only to the ports that asked for it by IGMP or MLD (IGMP and"
        " MLD snooping) (true).",
    )
    mcast_querier: Flag = Field(
        False,
        description="Send IGMP and MLD queries while no router sends any; snooping needs them"
        " (false).",
    )
    vlan_filtering: Flag = Field(
        False,
        description="Separate VLANs: a port sends and receives only the frames of its own VLANs"
        " (false).",
    )
    vlan_default_pvid: Annotated[int, Before(integer(0, 4094))] = Field(
        1, description="The `pvid` of ports that set none; 0 means no PVID (1)."
    )
