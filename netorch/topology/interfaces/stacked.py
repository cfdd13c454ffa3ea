"""The base of the models of macvlan, macvtap and ipvlan, which take frames from their parent."""

from typing import ClassVar

from netorch.kinds.base.standalone import StandaloneLink
from netorch.topology.interfaces.standalone import StandaloneModel


class StackedModel(StandaloneModel):
    """The base of the models of links that take frames from their parent."""

    MAKES: ClassVar[type[StandaloneLink]]
    FAR_PARENT: ClassVar[bool] = True
