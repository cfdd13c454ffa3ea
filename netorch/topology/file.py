"""A whole file."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from netorch.kinds.base.link import CommonModel
from netorch.language.scalars import (
    Flag,
    Model,
    NodeName,
    Prefix,
    TopologyName,
    empty_dict,
    empty_list,
)
from netorch.topology.checks import CheckModel
from netorch.topology.interfaces import or_empty
from netorch.topology.links import LinkModel, link
from netorch.topology.networks import NetworkModel
from netorch.topology.nodes import NodeModel

# a model as the default of a key is said as a file says it: an instance would have the model built now, apart from the whole


class Defaults(Model):
    """What expansion leaves for the models: the other defaults are merged in the text."""

    interface: CommonModel = Field(
        default_factory=empty_dict,
        validate_default=True,
        description="Under every interface that netorch makes, but `lo`.",
    )


class Backend(Model):
    nat: Literal["auto", "nftables", "iptables"] = Field(
        "auto",
        description="What filters and translates; auto is nftables where the kernel and the library have it, else iptables.",
    )


class TopologyFile(Model):
    """A whole file, expanded."""

    name: TopologyName | None = Field(
        None,
        description="What `destroy NAME` takes, and what objects are marked with (the file's name without `.yaml`).",
    )
    prefix: Prefix | None = Field(
        None,
        description="Stands before the name of every namespace, and of every interface on the host, that netorch makes.",
    )
    defaults: Defaults = Field(
        default_factory=empty_dict,
        validate_default=True,
        description="Values under every node, interface, link and network.",
    )
    nodes: dict[NodeName, Annotated[NodeModel, BeforeValidator(or_empty)]] = Field(
        default_factory=empty_dict, description="Hosts and routers: a network namespace each."
    )
    networks: dict[NodeName, Annotated[NetworkModel, BeforeValidator(or_empty)]] = Field(
        default_factory=empty_dict, description="Shared segments that nodes join."
    )
    links: list[Annotated[LinkModel, BeforeValidator(link)]] = Field(
        default_factory=empty_list, description="Cables between two nodes."
    )
    checks: list[CheckModel] = Field(
        default_factory=empty_list,
        description="What must be reachable, and what must not; `netorch check` tries it.",
    )
    names: Flag = Field(
        True,
        description="Give the nodes a `hosts` file, and a `resolv.conf` where they have `dns` (true).",
    )
    backend: Backend = Field(
        default_factory=empty_dict,
        validate_default=True,
        description="What this machine does things with.",
    )
