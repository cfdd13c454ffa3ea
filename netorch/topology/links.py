"""Entries of `links`: cables between two nodes."""

import re
from typing import Annotated

from netorch.language import schema_shapes
from netorch.language.impair_model import ImpairModel
from netorch.language.model import Before, Field, Length, Model
from netorch.language.scalars import (
    END,
    InterfaceName,
    Mtu,
    NodeName,
    Subnet,
    empty_list,
    interface_name,
    node_name,
    one_or_many,
    wrong,
)
from netorch.language.schema_shapes import accepts
from netorch.topology.interfaces.common import CommonModel


class EndpointModel(CommonModel):
    """One end of a link. The short form is `NODE:IF`."""

    node: NodeName = Field(description="Node at this end, or `host`.")
    interface: InterfaceName = Field(
        description="Name of the interface that the link makes in this node."
    )


@accepts(
    schema_shapes.or_scalar(
        schema_shapes.text(
            f"{END}|{schema_shapes.END_RANGES}", "end of a link: NODE:INTERFACE", "r1:eth0"
        )
    )
)
def endpoint(value: object) -> object:
    """Turn the short form `NODE:IF` into the values of an `EndpointModel`."""
    if not isinstance(value, str):
        return value
    node, interface = parse_endpoint(value)
    return {"node": node, "interface": interface}


def parse_endpoint(text: str) -> tuple[str, str]:
    """Return the node and the interface of `NODE:IF`. Raise ValueError for any other text."""
    node, colon, interface = text.partition(":")
    if not colon:
        other = re.fullmatch(r"([\w.-]{1,60})[/@, ]+([\w.-]{1,15})", text)
        like = f"{text}:eth0" if re.fullmatch(r"[\w-]{1,30}", text) else ""
        like = f"{other[1]}:{other[2]}" if other else like
        wrong(
            f"{text!r} is not an end of a link: write NODE:INTERFACE"
            + (f", such as {like}" if like else "")
        )
    return node_name(node), interface_name(interface)


@accepts(lambda inner: {"anyOf": [{"$key": "endpoints", "of": inner}, inner]})
def link(value: object) -> object:
    """Turn the short form, a list of two ends, into the values of a `LinkModel`."""
    return {"endpoints": value} if isinstance(value, list) else value


class LinkModel(Model):
    """A cable between two nodes."""

    endpoints: Annotated[list[Annotated[EndpointModel, Before(endpoint)]], Length(2)] = Field(
        description="The two ends of the link."
    )
    subnet: Annotated[list[Subnet], Before(one_or_many)] = Field(
        default_factory=empty_list,
        description="Subnets from which the two ends get the first two host addresses, in order;"
        " from a /31 or /127 they get both addresses.",
    )
    mtu: Mtu | None = Field(None, description="MTU of both ends (1500).")
    impair: ImpairModel | None = Field(
        None,
        description="Impairments of what both ends send; an end's own `impair` overrides it.",
    )
