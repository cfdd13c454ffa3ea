"""Nodes: hosts, routers and containers, a network namespace each."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from netorch.language import schema_shapes
from netorch.language.publish import NatModel, PublishModel, publish_words
from netorch.language.scalars import (
    Flag,
    HostName,
    InterfaceName,
    IPAddress,
    Model,
    SysctlName,
    SysctlValue,
    empty_dict,
    empty_list,
    one_or_many,
    wrong,
)
from netorch.topology.attach import Attach, existing_namespace
from netorch.topology.interfaces import AnyInterface
from netorch.topology.memberships import Membership, memberships
from netorch.topology.routes import RouteModel
from netorch.topology.rules import RuleModel

_Option = Annotated[
    str,
    WithJsonSchema(
        schema_shapes.substituted(schema_shapes.text("[!-~]+", "resolv.conf option", "ndots:2"))
    ),
]


class DnsModel(Model):
    servers: Annotated[list[IPAddress], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list, description="Name servers."
    )
    search: Annotated[list[HostName], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list, description="Search domains."
    )
    options: Annotated[list[_Option], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list, description="Further resolv.conf options."
    )

    @model_validator(mode="after")
    def _plain(self) -> Self:
        for option in self.options:
            if not option.isprintable() or " " in option or not option.isascii():
                wrong(f"{option!r} is not a resolv.conf option")
        return self


class NodeModel(Model):
    """A host, router or container: one network namespace."""

    attach: Annotated[Attach | None, BeforeValidator(existing_namespace)] = Field(
        None,
        description="An existing namespace: `docker:NAME`, `podman:NAME`, `netns:NAME`, `pid:NUMBER` or `path:/…`.",
    )
    forwarding: Flag | None = Field(None, description="Be a router, for IPv4 and IPv6 (false).")
    sysctls: dict[SysctlName, SysctlValue] = Field(
        default_factory=empty_dict,
        description="Settings of the namespace, all of them below `net.`",
    )
    networks: Annotated[dict[str, Membership], BeforeValidator(memberships)] = Field(
        default_factory=empty_dict, description="Networks that it joins, each with an interface."
    )
    interfaces: dict[InterfaceName, AnyInterface] = Field(
        default_factory=empty_dict,
        description="Interfaces, and further keys of those that links make.",
    )
    routes: list[RouteModel] = Field(
        default_factory=empty_list,
        description="Routes, beside those that addresses and networks bring.",
    )
    rules: list[RuleModel] = Field(default_factory=empty_list, description="Policy routing rules.")
    aliases: Annotated[list[HostName], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list, description="Further names for name resolution."
    )
    dns: DnsModel | None = Field(None, description="What goes into its `resolv.conf`.")
    nat: list[NatModel] = Field(
        default_factory=empty_list, description="Address translations of this node."
    )
    publish: Annotated[
        list[Annotated[PublishModel, BeforeValidator(publish_words)]], BeforeValidator(one_or_many)
    ] = Field(
        default_factory=empty_list,
        description="Ports that its network's owner leads here, as Docker writes them: `8080:80`.",
    )
