"""The base of the models of links that are made alone, and the name of a parent."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from netorch.kinds.base.link import LinkFields
from netorch.kinds.base.standalone import ETHERNET_MTU, ParentPlace, StandaloneLink
from netorch.language.model import Shaped
from netorch.language.schema_shapes import substituted, text
from netorch.state.resource import Resource
from netorch.topology.interfaces.common import InterfaceModel

PlaceName = Annotated[
    str,
    Shaped(
        substituted(
            text(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}:)?[^\s/:]+", "interface: IF or NODE:IF")
        )
    ),
]
"""A parent, `IF` or `NODE:IF`. An interface of the host may be named by an alternative name."""


def parse_place(name: str) -> tuple[str | None, str]:
    """Return the node, or None if the name has none, and the interface of a `PlaceName`."""
    node, colon, interface = name.rpartition(":")
    return node if colon else None, interface


class StandaloneModel(InterfaceModel):
    """The base of the models of standalone links."""

    MAKES: ClassVar[type[StandaloneLink]]
    """The class of the link's resource."""
    FAR_PARENT: ClassVar[bool] = False
    """Whether the link's parent may be in another namespace."""
    TAKES_PORTS: ClassVar[bool] = False
    """Whether the link is a master."""

    def taken_from(self, name: str) -> str:
        """Return the host's name of the NIC that becomes the interface `name`.

        Return "" for a link that netorch makes.
        """
        return ""

    @property
    def parent_name(self) -> str | None:
        """The parent as the file names it, `IF` or `NODE:IF`. None if it has no parent."""
        return getattr(self, "parent", None)

    def default_mtu(self, parent: int | None) -> int:
        """Return the MTU that the kernel gives a new link; 0 if it is not known.

        `parent` is the MTU of the parent: None if the link has no parent, 0 if the MTU is not
        known.
        """
        return ETHERNET_MTU if parent is None else parent

    @property
    def sends_from(self) -> str | None:
        """The source address of the outer packets, which is an address of the link's node.

        If the link has no parent, the MTU of the interface with that address limits the MTU of the
        link.
        """
        return None

    def largest_mtu(self, parent: int) -> int | None:
        """Return the largest MTU over a parent with the MTU `parent`; None if there is no limit."""
        return parent if self.MAKES.FITS_PARENT else None

    def child_resources(
        self, link: StandaloneLink
    ) -> Iterator[tuple[Resource, tuple[str | int, ...]]]:
        """Yield the further resources that the keys ask for, each with its path within the keys."""
        return iter(())

    def values(self) -> dict[str, Any]:
        """Return the values of the fields that only the link's kind has.

        A kind whose keys and fields differ overrides this.
        """
        return {
            attribute.key: getattr(self, attribute.word or attribute.key)
            for attribute in self.MAKES.ATTRIBUTES
        }

    def link(self, fields: LinkFields, parent: ParentPlace | None) -> StandaloneLink:
        """Return the resource."""
        return self.MAKES(**fields, parent=parent, **self.values())
