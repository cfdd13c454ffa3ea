"""ERSPAN: copies of frames, which a GRE tunnel over IPv4 carries to where they are looked at
(net/ipv4/ip_gre.c).
"""

from typing import ClassVar

from netorch.kinds.base.standalone import Attribute
from netorch.kinds.gre import GRE_KEY, GreTunnel
from netorch.netlink.attribute_types import U8, U32
from netorch.state.registry import observed

IFLA_GRE_ERSPAN_INDEX, IFLA_GRE_ERSPAN_VER = 21, 22
GRE_SEQ = 0x1000


@observed
class Erspan(GreTunnel):
    """A tunnel of ERSPAN type II. Its key is the session, which the kernel requires."""

    KIND: ClassVar[str] = "erspan"
    HAS_MAC: ClassVar[bool] = True
    FLAGS: ClassVar[int] = GRE_KEY | GRE_SEQ
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        *GreTunnel.ATTRIBUTES,
        Attribute("erspan", IFLA_GRE_ERSPAN_INDEX, U32, live=True),
        # not live, because the kernel would keep the length of the previous version's header
        Attribute("erspan_ver", IFLA_GRE_ERSPAN_VER, U8),
    )
    erspan: int = 0
    erspan_ver: int = 1
    """The version of the header, which the file cannot change: 1 for type II."""
