"""VRFs, which give some links of a namespace a routing table of their own (drivers/net/vrf.c)."""

from __future__ import annotations

from typing import ClassVar

from netorch.kinds.base.standalone import Attribute, StandaloneLink
from netorch.netlink.attribute_types import U32
from netorch.netlink.constants import IFLA_VRF_TABLE
from netorch.state.registry import observed

MTU = 65575
"""The MTU of a new VRF (IP6_MAX_MTU), which every packet fits."""


@observed
class Vrf(StandaloneLink):
    """A VRF.

    The policy rule that leads to the tables of all VRFs is not managed here: the kernel makes it
    with the first VRF of a namespace, and never again.
    """

    KIND: ClassVar[str] = "vrf"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_NET_VRF", "vrf")
    MTUS: ClassVar[tuple[int, int]] = (1280, MTU)
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (Attribute("table", IFLA_VRF_TABLE, U32),)
    table: int = -1
