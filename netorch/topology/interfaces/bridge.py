"""The keys of a bridge."""

from typing import Literal

from netorch.topology.interfaces.bridge_settings import BridgeSettings
from netorch.topology.interfaces.master import MasterModel


class BridgeModel(BridgeSettings, MasterModel):
    """A bridge inside a node."""

    kind: Literal["bridge"] = "bridge"
