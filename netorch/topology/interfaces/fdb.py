"""The keys of an entry of a tunnel's forwarding database."""

from netorch.language.model import Field, Model
from netorch.language.scalars import ForwardingMac, IPAddress


class FdbModel(Model):
    """The end of the tunnel to which frames for a MAC address go."""

    mac: ForwardingMac = Field(
        description="MAC address. The address of zeros stands for broadcast and for all unknown"
        " addresses."
    )
    dst: IPAddress = Field(
        description="Address of the tunnel's end behind which it is. The address of zeros and"
        " multicast addresses may have several entries."
    )
