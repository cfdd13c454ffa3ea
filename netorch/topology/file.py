"""The model of a whole topology file."""

from typing import Annotated, Any, Literal

from netorch.language.model import Before, Field, Model, Plain
from netorch.language.scalars import (
    Flag,
    LanguageVersion,
    MachineName,
    NodeName,
    Prefix,
    TopologyName,
    empty_dict,
    empty_list,
)
from netorch.topology.checks import CheckModel
from netorch.topology.interfaces import or_empty
from netorch.topology.interfaces.common import CommonModel
from netorch.topology.late import LateModel
from netorch.topology.links import LinkModel, link
from netorch.topology.networks import NetworkModel
from netorch.topology.nodes import ExtraHosts, NodeModel

# The defaults of keys that hold a model are plain mappings, because models would be read at import.


class Defaults(Model):
    """The defaults that the models see. Expansion merges the others into the entries."""

    interface: CommonModel = Field(
        default_factory=empty_dict,
        validate_default=True,
        description="Values for every interface that netorch makes, except `lo`.",
    )


class Backend(Model):
    """The backends that netorch uses."""

    nat: Literal["auto", "nftables", "iptables"] = Field(
        "auto",
        description="Backend for packet filters and NAT; auto takes nftables if the kernel and"
        " libnftables are there, else iptables.",
    )


_Host: Any = Annotated[Any, Plain(LateModel("netorch.topology.hosts", "HostModel"))]
_Tunnels: Any = Annotated[Any, Plain(LateModel("netorch.topology.tunnels", "TunnelsModel"))]


class TopologyFile(Model):
    """A whole topology file after expansion."""

    version: LanguageVersion | None = Field(
        None,
        description="Version of the topology language in which the file is written (1).",
    )
    name: TopologyName | None = Field(
        None,
        description="Name of the topology: `destroy NAME` takes it, and the marks contain it"
        " (the file's name without `.yaml` or `.netorch.yaml`).",
    )
    prefix: Prefix | None = Field(
        None,
        description="Prefix for the names of all namespaces that netorch makes, and of all"
        " interfaces that it makes on the host.",
    )
    hosts: dict[MachineName, _Host] = Field(
        default_factory=empty_dict,
        description="Machines over which the topology is spread, by their names; a node is on the"
        " machine in its `on` (this machine alone).",
    )
    tunnels: _Tunnels = Field(
        None, description="Settings of the tunnels between the machines in `hosts`."
    )
    defaults: Defaults = Field(
        default_factory=empty_dict,
        validate_default=True,
        description="Values for all nodes, interfaces, links and networks that do not set them.",
    )
    nodes: dict[NodeName, Annotated[NodeModel, Before(or_empty)]] = Field(
        default_factory=empty_dict, description="Hosts and routers. Each is a network namespace."
    )
    networks: dict[NodeName, Annotated[NetworkModel, Before(or_empty)]] = Field(
        default_factory=empty_dict, description="Networks that nodes join."
    )
    links: list[Annotated[LinkModel, Before(link)]] = Field(
        default_factory=empty_list, description="Cables between two nodes."
    )
    checks: list[CheckModel] = Field(
        default_factory=empty_list,
        description="Who must reach whom, and who must not; `netorch check` tries it.",
    )
    names: Flag = Field(
        True,
        description="Give each node a `hosts` file, and a `resolv.conf` if the node has `dns` "
        "(true).",
    )
    extra_hosts: ExtraHosts = Field(
        default_factory=empty_dict,
        description="Further names and their addresses in the `hosts` files of all nodes;"
        " `host-gateway` is an address of the host, for nodes that reach it.",
    )
    backend: Backend = Field(
        default_factory=empty_dict,
        validate_default=True,
        description="Tools of this machine that netorch uses.",
    )
