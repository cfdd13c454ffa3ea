"""Interfaces of a node. The `kind` of an entry selects its model.

Each kind has a module of its own, with the name of the kind, which is imported when a file names
it. The other modules have what several kinds share.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any

from netorch.errors import did_you_mean
from netorch.language.model import Before, Field, Plain
from netorch.language.scalars import AnyMtu, wrong
from netorch.language.schema_shapes import Shape, accepts
from netorch.topology.interfaces.common import InterfaceModel

_MODELS: Mapping[str, str] = {
    "bond": "BondModel",
    "bridge": "BridgeModel",
    "dummy": "DummyModel",
    "erspan": "ErspanModel",
    "geneve": "GeneveModel",
    "gre": "GrePacketModel",
    "gretap": "GretapModel",
    "ifb": "IfbModel",
    "ip6gre": "Ip6greModel",
    "ip6gretap": "Ip6gretapModel",
    "ip6tnl": "Ip6tnlModel",
    "ipip": "IpipModel",
    "ipvlan": "IpvlanModel",
    "macvlan": "MacvlanModel",
    "macvtap": "MacvtapModel",
    "physical": "PhysicalModel",
    "sit": "SitModel",
    "tap": "TapModel",
    "tun": "TunModel",
    "veth": "VethModel",
    "vlan": "VlanModel",
    "vrf": "VrfModel",
    "vxlan": "VxlanModel",
    "wireguard": "WireguardModel",
}
"""`kind` in the file, which is also the name of the module → the name of the model."""

KINDS = tuple(_MODELS)
"""The words that `kind` can have in the file."""


class MadeElsewhere(InterfaceModel):
    """Further keys of an interface that a link, a network or the kernel makes."""

    kind: None = None
    mtu: AnyMtu | None = Field(
        None,
        description="MTU in bytes; if only one end of a cable has it, both ends get it"
        " (1500; `lo`: 65536).",
    )


@cache
def model_of(kind: str) -> type[InterfaceModel]:
    """Import the model of a kind of interface, which must be one of `KINDS`."""
    model: type[InterfaceModel] = getattr(import_module(f"{__name__}.{kind}"), _MODELS[kind])
    return model


def models() -> Iterator[tuple[str, type[InterfaceModel]]]:
    """Import the models of all kinds, and yield each with its kind."""
    for kind in KINDS:
        yield kind, model_of(kind)


def words_of(kind: object) -> type[InterfaceModel]:
    """Return the model of a kind of interface, or `MadeElsewhere` for any other value."""
    return model_of(kind) if isinstance(kind, str) and kind in _MODELS else MadeElsewhere


def by_kind(value: Any) -> InterfaceModel:
    """Validate an interface by the model of its kind.

    This is a function and not a union of the models because netorch then imports and builds each
    model at its first use. Most files use few kinds, so netorch starts faster.
    """
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return words_of(kind).model_validate(value)


def _or_null(inner: Shape) -> Shape:
    return {"anyOf": [inner, {"type": "null"}]}


@accepts(_or_null)
def or_empty(value: object) -> object:
    """Replace null by an empty mapping."""
    return {} if value is None else value


@accepts(_or_null)
def _interface(value: object) -> object:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind is None or (isinstance(kind, str) and kind in _MODELS):
        return or_empty(value)
    if not isinstance(kind, str):
        wrong("the `kind` is not a text: write the name of a kind of interface", "unknown-kind")
    from netorch.topology.other_values import remedy as of_others

    remedy = (
        of_others(("kind",), kind)
        or did_you_mean(kind, KINDS)
        or f"The kinds are: {', '.join(KINDS)}."
    )
    wrong(f"{kind!r} is not a kind of interface. {remedy}", "unknown-kind")


AnyInterface: Any = Annotated[Any, Plain(by_kind), Before(_interface)]
