"""Questions about the model of an interface.

They look at its `kind` and not at its class, because that would import the models of kinds that
the file does not name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from netorch.kinds.base.stacked import StackedLink
from netorch.topology.interfaces.standalone import StandaloneModel

if TYPE_CHECKING:
    from netorch.topology.interfaces.bond import BondModel
    from netorch.topology.interfaces.bridge import BridgeModel
    from netorch.topology.interfaces.veth import VethModel
    from netorch.topology.interfaces.vlan import VlanModel
    from netorch.topology.interfaces.vrf import VrfModel


def is_bond(model: object) -> TypeGuard[BondModel]:
    return _kind(model) == "bond"


def is_bridge(model: object) -> TypeGuard[BridgeModel]:
    return _kind(model) == "bridge"


def is_veth(model: object) -> TypeGuard[VethModel]:
    return _kind(model) == "veth"


def is_vlan(model: object) -> TypeGuard[VlanModel]:
    return _kind(model) == "vlan"


def is_vrf(model: object) -> TypeGuard[VrfModel]:
    return _kind(model) == "vrf"


def is_stacked(model: object) -> TypeGuard[StandaloneModel]:
    """Whether the link takes frames from its parent, as a macvlan does."""
    return isinstance(model, StandaloneModel) and issubclass(model.MAKES, StackedLink)


def _kind(model: object) -> object:
    return getattr(model, "kind", None)
