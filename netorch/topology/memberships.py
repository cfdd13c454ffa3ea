"""The key `networks` of a node: the networks that it joins."""

from typing import Annotated, Literal

from netorch.language import schema_shapes
from netorch.language.impair_model import ImpairModel
from netorch.language.model import Before, Field, Instead
from netorch.language.readers import read
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
from netorch.topology.interfaces.common import CommonModel
from netorch.topology.interfaces.port import PortModel


class Membership(CommonModel):
    """A node's interface in a network."""

    name: InterfaceName | None = Field(
        None, description="Name of the interface (eth0, eth1 … in order)."
    )
    address: Annotated[list[MemberAddress] | None, Before(one_or_many)] = Field(
        None,
        description="Addresses, with or without a prefix length; without it that of the subnet"
        " applies (an automatic address).",
    )
    addresses: Literal[False] | None = Field(  # type: ignore[assignment]
        None, description="`false`: no automatic address."
    )
    default_route: Flag | None = Field(
        None,
        description="`true`: the node's default route leads into this network; `false`: it never"
        " does (the first network with a gateway, unless an attached node has a default route).",
    )
    impair: ImpairModel | None = Field(
        None, description="Impairments of what the node sends to the network and receives from it."
    )
    port: PortModel | None = Field(
        None, description="Settings of the bridge port to which the node is connected."
    )
    group: NodeName | None = Field(
        None,
        description="Group of members that reach one another, the owner and members without a"
        " group, and no members of other groups (none: the node reaches all members).",
    )
    at: NodeName | None = Field(
        None, description="vxlan: the endpoint to which the node is connected."
    )


def _one_or_several(value: object) -> object:
    """Validate one membership or a list of them.

    A union would report what is wrong with both.
    """
    return read(list[Membership] if isinstance(value, list) else Membership, value)


OneOrSeveral = Annotated[Membership | list[Membership], Instead(_one_or_several)]
"""A membership, or one for each interface that the node has in the network."""


def _networks_shape(inner: Shape) -> Shape:
    name = schema_shapes.substituted(schema_shapes.of(node_name))
    addressed = schema_shapes.substituted(schema_shapes.of(member_address))
    one, several = inner["additionalProperties"]["anyOf"]
    entry = {"anyOf": [one, several | {"minItems": 1}, addressed, {"type": "null"}]}
    many = {"type": "array", "items": name, "uniqueItems": True}
    return {"anyOf": [inner | {"additionalProperties": entry}, many, name | {"type": "string"}]}


@accepts(_networks_shape)
def membership_words(value: object) -> object:
    """Turn the short forms of `networks` into a mapping from networks to memberships."""
    if isinstance(value, str):
        return {value: {}}
    if isinstance(value, list):
        names = [item for item in value if not isinstance(item, dict)]
        maps = [item for item in value if isinstance(item, dict)]
        if maps:
            wrong(
                "a list of `networks` holds names only: for further keys write a mapping,"
                " `NETWORK: {…}`"
            )
        if len(set(map(str, names))) != len(names):
            wrong(
                "a network is in the list twice: for two interfaces in it write a mapping,"
                " `NETWORK: [{…}, {…}]`"
            )
        return {str(name): {} for name in names}
    if isinstance(value, dict):
        for entry in value.values():
            if isinstance(entry, list) and not all(isinstance(item, dict) for item in entry):
                wrong(
                    "a list of memberships holds mappings only, one for each interface: for several"
                    " addresses of one interface write `{address: […]}`"
                )
            if entry == []:
                wrong("a list of memberships is empty: write `{}` for one interface")
        return {
            name: {} if entry is None else {"address": entry} if isinstance(entry, str) else entry
            for name, entry in value.items()
        }
    return value
