"""The values of `publish`, in Docker's notation, and of `nat`."""

import re
from typing import Annotated, Literal, Self, get_args

from netorch.language import schema_shapes
from netorch.language.addresses import Address
from netorch.language.constraints import HasKey, HasValue, OneKey, constraints, require
from netorch.language.model import Before, Field, Model, Plain, after
from netorch.language.scalars import (
    INTERFACE,
    IPAddress,
    NodeName,
    Subnet,
    address,
    empty_list,
    integer,
    interface_name,
    one_or_many,
    wrong,
)
from netorch.language.schema_shapes import accepts

Ports = tuple[int, int]
"""The first and the last port of a range, both included."""


@accepts(
    schema_shapes.whole_number(1, 65535, schema_shapes.PORTS, "port, or range such as 8000-8010")
    | {"examples": [80, "8000-8010"]}
)
def ports(value: object) -> Ports:
    """Parse `80` or `8000-8010`."""
    first, dash, last = str(value).partition("-")
    number = integer(1, 65535)
    result = number(first), number(last) if dash else number(first)
    if result[1] < result[0]:
        wrong(f"{value} is not a range of ports: it ends before it starts", "bad-port")
    return result


PortRange = Annotated[Ports, Plain(ports)]
Protocol = Literal["tcp", "udp", "sctp"]


class PublishModel(Model):
    """A port of a node that is reachable at an address of the network's owner.

    The short form is `[[HOST_IP:][HOST_PORT[-END]]:]PORT[-END][/tcp|udp|sctp]`.
    """

    network: NodeName | None = Field(
        None,
        description="The network whose owner publishes the port (the node's first `nat` network).",
    )
    address: IPAddress | None = Field(
        None,
        description="The owner's address at which the port is reachable; 0.0.0.0 and :: mean all "
        "addresses of one IP version (all addresses of both IP versions).",
    )
    port: PortRange | None = Field(
        None,
        description="The owner's port, or a range; of a range for a single port of the node, the"
        " first free port (the node's port, or the next free one).",
    )
    to: PortRange = Field(description="The node's port, or a range of the same length.")
    proto: Protocol = Field("tcp", description="Protocol (tcp).")

    @after
    def _consistent(self) -> Self:
        if self.port is not None and not self.is_open and _length(self.port) != _length(self.to):
            wrong(
                f"the ranges {ports_text(self.port)} and {ports_text(self.to)} differ in length",
                "bad-port",
            )
        return self

    @property
    def is_open(self) -> bool:
        """Whether netorch chooses the owner's port, from all ports or from a range."""
        return self.port is None or _length(self.port) > _length(self.to) == 1

    @property
    def owner_port(self) -> Ports:
        """The owner's port or range. If it is open, it must have been chosen before."""
        assert self.port is not None
        return self.port


def _length(pair: Ports) -> int:
    return pair[1] - pair[0] + 1


_PORTS = "[0-9-]"
_HOST = r"[^:\[\]]*|[^\[\]]*::[^\[\]]*|(?:[^:\[\]]+:){7}[^:\[\]]+"
_SHORT = (
    rf"(?:(?:(?:\[(?P<six>[^\]]+)\]|(?P<host>{_HOST})):)?(?P<port>{_PORTS}*):)?"
    rf"(?P<to>{_PORTS}+)(?:/(?P<proto>\w+))?"
)

_PROTOCOLS = "|".join(map(schema_shapes.anycase, get_args(Protocol)))
_ADDRESS = rf"(?:\[{schema_shapes.IP}\]|{schema_shapes.IP})?"
_WRITTEN = (
    rf"(?:(?:{_ADDRESS}:)?(?:{schema_shapes.PORTS})?:)?{schema_shapes.PORTS}"
    rf"(?:/(?:{_PROTOCOLS}))?"
)


@accepts(
    schema_shapes.or_scalar(
        schema_shapes.text(
            _WRITTEN,
            "published port such as 8080:80 or 127.0.0.1:8080:80/udp",
            "8080:80",
            "127.0.0.1:8080:80/udp",
            3000,
        )
        | {"type": ["string", "integer"], "minimum": 1, "maximum": 65535}
    )
)
def publish_words(value: object) -> object:
    """Return the long form of a published port, as keys and values."""
    if isinstance(value, dict | PublishModel):
        return value
    match = re.fullmatch(_SHORT, str(value))
    if match is None or isinstance(value, bool):
        wrong(
            f"{value!r} is not a published port such as 8080:80, 127.0.0.1:8080:80, "
            "[::1]:8080:80, 8000-8010:8000-8010/udp or 80",
            "bad-port",
        )
    model: dict[str, object] = {"to": match["to"]}
    if match["port"]:
        model["port"] = match["port"]
    if host := match["six"] or match["host"]:
        model["address"] = host
    if match["proto"]:
        model["proto"] = match["proto"].lower()
    return model


@accepts(
    schema_shapes.text(
        f"!?{INTERFACE}", "interface name, or !NAME for any other", "eth0", "!eth0", numbers=True
    )
)
def interface_match(value: object) -> str:
    """Check an interface's name, or `!NAME` for any other interface."""
    text = str(value)
    return "!" + interface_name(text[1:]) if text.startswith("!") else interface_name(text)


InterfaceMatch = Annotated[str, Before(interface_match)]


class SourceModel(Model):
    """The keys of all translations of sources."""

    source: Subnet | None = Field(None, alias="from", description="Source subnet (any).")
    out: InterfaceMatch = Field(
        "!lo", description="Outgoing interface, `!NAME` for any other (any but lo)."
    )
    proto: Annotated[list[Protocol], Before(one_or_many)] = Field(
        default_factory=empty_list, description="Protocol, or a list of them (any)."
    )
    ports: PortRange | None = Field(
        None,
        description="New source port, or the range in which Linux chooses it; needs a `proto` (the"
        " packet's own port, unless another connection has it).",
    )
    random: bool = Field(
        False,
        description="Choose each source port at random, even if the packet's own one is free"
        " (false).",
    )

    _protocol = constraints(
        require(
            "nat-needs-protocol",
            "`ports` need a `proto`: write `proto: tcp`, or `proto: [tcp, udp]`",
            HasValue("proto"),
            when=HasKey("ports"),
        ),
    )

    @after
    def _not_empty(self) -> Self:
        if "proto" in self.model_fields_set and not self.proto:
            wrong("the list of `proto` is empty: leave it out, if any will do")
        return self


class MasqueradeModel(SourceModel):
    """Replace the source of outgoing packets by the address of the outgoing interface."""


class SnatModel(SourceModel):
    """Replace the source of outgoing packets by a given address."""

    to: IPAddress = Field(description="New source address.")


_TARGET = (
    rf"\[{schema_shapes.IP}\](?::{schema_shapes.PORTS})?"
    rf"|{schema_shapes.IPV4}(?::{schema_shapes.PORTS})?|{schema_shapes.IPV6}"
)


@accepts(
    schema_shapes.text(
        _TARGET, "address such as 10.0.0.2:8080 or [fd00::2]:80", "10.0.0.2:8080", "[fd00::2]:80"
    )
)
def target(value: object) -> tuple[object, Ports | None]:
    """Parse `10.0.0.2`, `10.0.0.2:8080`, `10.0.0.2:8000-8010` or `[fd00::2]:80`."""
    text = str(value)
    match = re.fullmatch(r"\[([^\]]+)\](?::([0-9-]+))?|([^:]+)(?::([0-9-]+))?|(.*)", text)
    assert match is not None
    host, port = (match[1] or match[3] or match[5]), (match[2] or match[4])
    return address(host), ports(port) if port else None


class DnatModel(Model):
    """Forward packets for a port to another address."""

    proto: Protocol = Field("tcp", description="Protocol (tcp).")
    port: PortRange = Field(description="Destination port, or a range.")
    address: IPAddress | None = Field(None, description="Destination address (any).")
    in_: InterfaceMatch | None = Field(
        None, alias="in", description="Incoming interface, `!NAME` for any other."
    )
    to: Annotated[tuple[object, Ports | None], Plain(target)] = Field(
        description="New destination: an address, and a port or range unless it stays the same."
    )

    @after
    def _consistent(self) -> Self:
        new = self.to[1]
        if new is not None and new[1] - new[0] != self.port[1] - self.port[0]:
            wrong(
                f"the ranges {ports_text(self.port)} and {ports_text(new)} differ in length",
                "bad-port",
            )
        return self


@accepts(lambda inner: inner)
def everything(value: object) -> object:
    """Replace null by an empty mapping: `masquerade:` alone means all that leaves."""
    return {} if value is None else value


class NatModel(Model):
    """One address translation of a node: exactly one of the three keys."""

    masquerade: Annotated[MasqueradeModel | None, Before(everything)] = Field(
        None,
        description="Give outgoing packets the address of the outgoing interface as source.",
    )
    snat: SnatModel | None = Field(
        None, description="Give outgoing packets a certain source address."
    )
    dnat: DnatModel | None = Field(
        None, description="Forward packets for a port to another address."
    )

    _one = constraints(
        require(
            "nat-is-one-of",
            "an entry of `nat` needs exactly one of `masquerade`, `snat` and `dnat`",
            OneKey(),
        )
    )


COMMENT = re.compile(r"publish \S+ \S+:\S+/(?:tcp|udp|sctp)")
"""A pattern that finds the comments of published ports in a rule."""


def comment(node: str, model: PublishModel) -> str:
    """Return the comment of a published port's rule: `publish web 127.0.0.1:8080:80/tcp`."""
    everywhere = model.address is None or model.address.is_unspecified
    host = "" if everywhere else host_text(model.address)
    return (
        f"publish {node} {host}{ports_text(model.owner_port)}:{ports_text(model.to)}/{model.proto}"
    )


def host_text(host: Address | None) -> str:
    """Return an address as it precedes a port: `127.0.0.1:` or `[::1]:`; "" for None."""
    return "" if host is None else f"[{host}]:" if host.version == 6 else f"{host}:"


def ports_text(pair: Ports) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}-{pair[1]}"
