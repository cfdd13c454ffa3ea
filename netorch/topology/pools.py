"""Subnets that netorch chooses: the words `auto` and `auto6`, and the pools they come from."""

import re
from typing import Annotated, Any, Literal, Self

from netorch.errors import did_you_mean
from netorch.language import schema_shapes
from netorch.language.addresses import Network
from netorch.language.constraints import Condition
from netorch.language.model import Before, Field, Model, Plain, after
from netorch.language.scalars import Subnet, integer, network, one_or_many, wrong
from netorch.language.schema_shapes import Shape, accepts, of, or_scalar

Auto = Literal["auto", "auto6"]
AUTO: dict[int, Auto] = {4: "auto", 6: "auto6"}
"""IP version → the word for a subnet that netorch chooses."""

SIZES = {4: 24, 6: 64}
"""IP version → the prefix length of the subnets from a pool, by default."""

_LONGEST = {4: 30, 6: 126}
"""IP version → the longest prefix length of a subnet from a pool. It has room for two hosts."""


@accepts(
    schema_shapes.text(
        f"{'|'.join(AUTO.values())}|{schema_shapes.SUBNET}",
        "subnet such as 10.0.0.0/24 or fd00::/64, or auto or auto6",
        "10.0.0.0/24",
        "fd00::/64",
        *AUTO.values(),
    )
)
def subnet_or_auto(value: object) -> Network | str:
    """Parse a subnet, or return the word for one that netorch chooses."""
    if value in AUTO.values():
        return str(value)
    if isinstance(value, str) and re.fullmatch("[A-Za-z]+[0-9]?", value):
        guess = did_you_mean(value, AUTO.values())
        rest = f". {guess}" if guess else ": write a subnet, `auto` or `auto6`"
        wrong(f"{value!r} is not a subnet{rest}", "bad-subnet")
    return network(value)


SubnetOrAuto = Annotated[Network | str, Plain(subnet_or_auto)]


class ChoosesSubnet(Condition):
    """At least one subnet in `subnet` is one that netorch chooses."""

    def shape(self, model: type[Model], sure: bool) -> Shape:
        word: Shape = {"enum": [*AUTO.values()]}
        one = word if sure else {"anyOf": [word, schema_shapes.OPEN]}
        items: Shape = {"type": "array", "contains": one}
        return {"required": ["subnet"], "properties": {"subnet": {"anyOf": [one, items]}}}

    def holds(self, instance: Any) -> bool:
        return any(isinstance(subnet, str) for subnet in instance.subnet)


class PoolModel(Model):
    """A range of addresses from which netorch chooses subnets, with the size of these subnets."""

    base: Subnet = Field(description="Range of addresses from which netorch takes the subnets.")
    size: Annotated[int, Before(integer(1, 126))] | None = Field(
        None,
        description="Prefix length of each subnet from the pool (24 for IPv4, 64 for IPv6).",
    )

    @after
    def _has_pieces(self) -> Self:
        version = self.base.version
        longest = _LONGEST[version]
        if self.base.prefixlen > longest:
            wrong(
                f"the pool {self.base} has no room for a subnet with two hosts: its prefix length"
                f" is at most {longest}",
                "bad-subnet",
            )
        if self.size is not None and not self.base.prefixlen <= self.size <= longest:
            wrong(
                f"the `size` {self.size} is not a prefix length between {self.base.prefixlen}, that"
                f" of the pool, and {longest}",
                "bad-subnet",
            )
        return self

    @property
    def piece_length(self) -> int:
        """The prefix length of each subnet from the pool."""
        return self.size or max(SIZES[self.base.version], self.base.prefixlen)

    @property
    def pieces(self) -> int:
        """The number of subnets in the pool."""
        return 1 << (self.piece_length - self.base.prefixlen)


@accepts(or_scalar(of(network)))
def pool_words(value: object) -> object:
    """Return the long form of a pool, as keys and values."""
    return value if isinstance(value, dict | PoolModel) else {"base": value}


Pools = Annotated[list[Annotated[PoolModel, Before(pool_words)]], Before(one_or_many)]
