"""Entries of `nodes`: hosts, routers and containers, each a network namespace."""

from collections.abc import Iterator
from typing import Annotated, Self

from netorch.language import schema_shapes
from netorch.language.constraints import HasValue, constraints, forbid
from netorch.language.model import Before, Field, Model, Shaped, after
from netorch.language.publish import NatModel, PublishModel, publish_words
from netorch.language.scalars import (
    Flag,
    HostAddress,
    HostName,
    InterfaceName,
    IPAddress,
    Line,
    MachineName,
    SysctlName,
    SysctlValue,
    empty_dict,
    empty_list,
    one_or_many,
    wrong,
)
from netorch.topology.attach import Attach, SharesNamespace, existing_namespace
from netorch.topology.filters import FilterModel, ways
from netorch.topology.interfaces import AnyInterface
from netorch.topology.memberships import Membership, OneOrSeveral, membership_words
from netorch.topology.routes import RouteModel
from netorch.topology.rules import RuleModel

ExtraHosts = dict[HostName, Annotated[list[HostAddress], Before(one_or_many)]]
"""Name → its addresses."""
_Option = Annotated[
    str,
    Shaped(
        schema_shapes.substituted(schema_shapes.text("[!-~]+", "resolv.conf option", "ndots:2"))
    ),
]


class DnsModel(Model):
    """The contents of a node's `resolv.conf`."""

    servers: Annotated[list[IPAddress], Before(one_or_many)] = Field(
        default_factory=empty_list, description="Name servers."
    )
    search: Annotated[list[HostName], Before(one_or_many)] = Field(
        default_factory=empty_list, description="Search domains."
    )
    options: Annotated[list[_Option], Before(one_or_many)] = Field(
        default_factory=empty_list, description="Further resolv.conf options."
    )

    @after
    def _plain(self) -> Self:
        for option in self.options:
            if not option.isprintable() or " " in option or not option.isascii():
                wrong(f"{option!r} is not a resolv.conf option")
        return self


class NodeModel(Model):
    """A host, router or container, which is one network namespace."""

    attach: Annotated[Attach | None, Before(existing_namespace)] = Field(
        None,
        description="Existing namespace that is this node: `docker:NAME`, `podman:NAME`,"
        " `netns:NAME`, `pid:NUMBER` or `path:/…`. `node:NAME`: the namespace of another node.",
    )
    label: Line | None = Field(
        None, description="One line of text about the node, for pictures and for `netorch show`."
    )
    on: MachineName | None = Field(
        None, description="Machine in `hosts` that has the node (required with `hosts`)."
    )
    forwarding: Flag | None = Field(None, description="Forward IPv4 and IPv6 packets (false).")
    sysctls: dict[SysctlName, SysctlValue] = Field(
        default_factory=empty_dict,
        description="Kernel settings of the namespace, all of them below `net.`",
    )
    networks: Annotated[dict[str, OneOrSeveral], Before(membership_words)] = Field(
        default_factory=empty_dict,
        description="Networks that the node joins, each with an interface.",
    )
    interfaces: dict[InterfaceName, AnyInterface] = Field(
        default_factory=empty_dict,
        description="Interfaces, and further keys of interfaces that links make.",
    )
    routes: list[RouteModel] = Field(
        default_factory=empty_list,
        description="Routes in addition to those that addresses and networks add.",
    )
    rules: list[RuleModel] = Field(default_factory=empty_list, description="Policy routing rules.")
    aliases: Annotated[list[HostName], Before(one_or_many)] = Field(
        default_factory=empty_list, description="Further names of the node in `hosts` files."
    )
    extra_hosts: ExtraHosts = Field(
        default_factory=empty_dict,
        description="Further names and their addresses in the node's `hosts` file; `host-gateway`"
        " is an address of the host.",
    )
    dns: DnsModel | None = Field(None, description="Contents of the node's `resolv.conf`.")
    nat: list[NatModel] = Field(
        default_factory=empty_list, description="Address translations of this node."
    )
    filter: Annotated[FilterModel | None, Before(ways)] = Field(
        None, description="Packets that the node accepts, drops and rejects."
    )
    publish: Annotated[
        list[Annotated[PublishModel, Before(publish_words)]], Before(one_or_many)
    ] = Field(
        default_factory=empty_list,
        description="Ports that the network's owner forwards to this node, as in Docker:"
        " `8080:80`.",
    )

    def memberships(self) -> Iterator[tuple[tuple[str | int, ...], str, Membership]]:
        """Yield the place of each membership below `networks`, the network and the membership."""
        for network, entry in self.networks.items():
            if isinstance(entry, list):
                for index, membership in enumerate(entry):
                    yield (network, index), network, membership
            else:
                yield (network,), network, entry

    _shared = constraints(
        *(
            forbid(
                "shared-namespace",
                f"a node with `attach: node:…` has no `{key}` of its own: write it under the other"
                " node",
                SharesNamespace() & HasValue(key),
                key,
            )
            for key in (
                *("networks", "interfaces", "routes", "rules", "forwarding", "sysctls"),
                *("nat", "filter", "dns", "extra_hosts"),
            )
        )
    )
