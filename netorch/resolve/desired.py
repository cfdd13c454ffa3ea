"""The desired state of a topology file: the result of resolving."""

from __future__ import annotations

from collections.abc import Mapping

from netorch.immutable import Value, field, replace
from netorch.kinds.forward import ForwardAccept
from netorch.language.addresses import Address, Network
from netorch.state.key import Key
from netorch.state.resource import Resource
from netorch.values.marks import Mark
from netorch.values.requests import Attachment

Path = tuple[str | int, ...]
"""A place in the expanded file: keys and list positions."""


class Complaint(Value):
    """An error or a warning about a place in the file."""

    code: str
    """The error code."""
    path: Path
    """The place in the file."""
    what: str
    """The sentence that says what is wrong."""
    remedy: str = ""
    """The sentence that says what to do, or ""."""
    naming: bool = False
    """Whether the complaint is about a name that does not exist. Such a complaint holds even if
    other parts of the file are wrong.
    """
    about: str = ""
    """The name that does not exist, if `naming` is true."""


class CheckEnd(Value):
    """One end of a check."""

    name: str
    """The name or address in the file."""
    node: str = ""
    """The node, or "" if the file names an address."""
    label: str = ""
    """The label of the node's namespace; "" also if the file names an address, and for a node on
    another machine.
    """
    link: str = ""
    """The kernel's name of the interface if the file names one, or ""."""
    addresses: tuple[Address, ...] = ()
    """The addresses that the file gives the end. Those of lo come first."""


class Check(Value):
    """An entry of `checks`."""

    path: Path
    """The place in the file."""
    source: CheckEnd | None = None
    """The end that sends packets, or None if `network` is set."""
    target: CheckEnd | None = None
    """The end to reach, or None if `network` is set."""
    network: str = ""
    """The network whose members must all reach one another, or ""."""
    members: tuple[CheckEnd, ...] = ()
    """The members of `network`."""
    reachable: bool = True
    """Whether the target must answer. If false, it must not."""
    tcp: int = 0
    """The TCP port to connect to, or 0 for a ping."""
    mtu: int = 0
    """The size in bytes of a packet that must pass unfragmented, or 0 for a small packet."""
    tunnel: str = ""
    """The machine at the other end of the tunnel that the check tries, or "" for a check of the
    file.
    """


class Machine(Value):
    """An entry of `hosts`."""

    name: str
    """The name in the file."""
    address: Address
    """The address at which the other machines reach it."""
    mtu: int
    """The size in bytes of the largest packet that it can send to the others."""
    inner: Address | None = None
    """The address inside WireGuard, or None if the tunnels are not encrypted."""
    public_key: str = ""
    """The public key for WireGuard, or ""."""
    port: int = 0
    """The UDP port for WireGuard."""

    @property
    def tunnel_address(self) -> Address:
        """The address at which its VXLANs end."""
        return self.address if self.inner is None else self.inner


class Machines(Value):
    """The machines of a topology that is spread over several."""

    here: str
    """The machine whose part the state is, or "" if the state is that of all machines."""
    all: Mapping[str, Machine]
    """Name → machine, in the order of the file."""
    of_label: Mapping[str, str]
    """Label of a namespace → the machine that has it."""
    of_node: Mapping[str, str]
    """Node → the machine that has it."""
    tunnels: tuple[Check, ...] = ()
    """A check of each tunnel of this machine: a packet as large as its MTU. There is none for a
    tunnel whose ends have no addresses, and none in the state of all machines.
    """
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Another machine → the number of checks in the file that can be tried only there."""


class Desired(Value):
    """The desired state of a topology file, and what else netorch knows from the file."""

    topology: str
    """The name of the topology."""
    state: Mapping[Key, Resource]
    """The desired state."""
    origins: Mapping[Key, Path] = field(default_factory=dict)
    """Key of a resource → the path in the file that asks for it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Node → the label of its namespace."""
    second_names: Mapping[str, str] = field(default_factory=dict)
    """Node that shares the namespace of another one → its own name in /run/netns."""
    prefix: str = ""
    """The prefix of the names of namespaces, and of interfaces on the host."""
    attached: Mapping[str, Attachment] = field(default_factory=dict)
    """Label → the existing namespace that is attached."""
    complaints: tuple[Complaint, ...] = ()
    """The errors of the file."""
    warnings: tuple[Complaint, ...] = ()
    """Parts of the file that may work but are probably mistakes."""
    egress: tuple[tuple[str, str, Address], ...] = ()
    """Label of the owner, name and `egress` address of each network whose owner netorch does not
    make."""
    captions: Mapping[Key, str] = field(default_factory=dict)
    """Key of a namespace or of a network's bridge → the `label` of the node or network."""
    chosen: Mapping[str, tuple[Network, ...]] = field(default_factory=dict)
    """Network → the subnets that netorch chose for it, for each network that has one."""
    chosen_ports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Node → the published ports for which netorch chose the owner's port, in the short form."""
    own_bridges: tuple[ForwardAccept, ...] = ()
    """The accepts that network bridges would need from a firewall in nodes that netorch makes.
    netorch adds no accepts there."""
    folder: str = ""
    """The folder from which relative paths in the topology file count."""
    checks: tuple[Check, ...] = ()
    """The checks, in the order of the file."""
    number: int = 0
    """The protocol number from this machine's record of the topology; 0 means the number that is
    computed from the name."""
    machines: Machines | None = None
    """The machines, if the file has `hosts`."""

    @property
    def nodes(self) -> dict[str, str]:
        """Label → the node whose namespace it is."""
        return {label: node for node, label in self.labels.items() if node not in self.second_names}

    @property
    def mark(self) -> Mark:
        """The mark of the topology's objects."""
        return Mark(self.topology, self.number)

    def with_mark(self, mark: Mark) -> Desired:
        """Return a copy with the protocol number of `mark`."""
        if mark.protocol == self.mark.protocol:
            return self
        number = mark.protocol
        state = {key: resource.with_number(number) for key, resource in self.state.items()}
        return replace(self, number=number, state=state)


def egress_warning(network: str, owner: str, address: object) -> str:
    """Return the warning for an `egress` address that the owner of the network does not have."""
    return (
        f"network {network}: packets leave with the source {address}, which is not an address of"
        f" {owner}: answers arrive only if other machines route it to {owner}."
    )
