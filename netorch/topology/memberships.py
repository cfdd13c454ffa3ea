"""`networks` of a node: the networks that it joins."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from netorch.kinds.base.link import CommonModel
from netorch.kinds.base.port_models import PortModel
from netorch.language import schema_shapes
from netorch.language.impairment import ImpairModel
from netorch.language.scalars import (
    Flag,
    InterfaceName,
    MemberAddress,
    NodeName,
    member_address,
    node_name,
    one_or_many,
    wrong,
)
from netorch.language.schema_shapes import Shape, accepts


class Membership(CommonModel):
    """A node's place in a network."""

    name: InterfaceName | None = Field(
        None, description="The interface's name (eth0, eth1 … in order)."
    )
    address: Annotated[list[MemberAddress] | None, BeforeValidator(one_or_many)] = Field(
        None, description="With or without prefix length (the subnet's); automatic if left out."
    )
    addresses: Literal[False] | None = Field(None, description="`false`: no automatic address.")  # type: ignore[assignment]
    default_route: Flag | None = Field(
        None,
        description="`true`: the default route comes from this network; `false`: never "
        "(the first network that has a gateway gives it, unless an attached node has one of its own).",
    )
    impair: ImpairModel | None = Field(
        None, description="What happens to what it sends, and to what the network sends to it."
    )
    port: PortModel | None = Field(
        None, description="How the network's bridge treats its port there."
    )
    at: NodeName | None = Field(
        None, description="Of a network with several endpoints, the node where it plugs in."
    )


def _networks_shape(inner: Shape) -> Shape:
    name = schema_shapes.substituted(schema_shapes.of(node_name))
    addressed = schema_shapes.substituted(schema_shapes.of(member_address))
    entry = {"anyOf": [inner["additionalProperties"], addressed, {"type": "null"}]}
    many = {"type": "array", "items": name, "uniqueItems": True}
    return {"anyOf": [inner | {"additionalProperties": entry}, many, name | {"type": "string"}]}


@accepts(_networks_shape)
def memberships(value: object) -> object:
    if isinstance(value, str):
        return {value: {}}
    if isinstance(value, list):
        names = [item for item in value if not isinstance(item, dict)]
        maps = [item for item in value if isinstance(item, dict)]
        if maps:
            wrong(
                "`networks` is a list of names, or a mapping from names to what the membership says"
            )
        if len(set(map(str, names))) != len(names):
            wrong("a node can be in a network only once in the short form")
        return {str(name): {} for name in names}
    if isinstance(value, dict):
        return {
            name: {} if entry is None else {"address": entry} if isinstance(entry, str) else entry
            for name, entry in value.items()
        }
    return value
