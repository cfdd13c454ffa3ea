"""Requests to Linux, as plain data: kinds yield them, and `netorch.kernel` carries them out.

Requests refer to links by their names. `netorch.kernel` looks up the index, or, in a namespace that
it has just made, chooses it.
A `netns` is a label: `host`, a name in /run/netns, or `@NODE` for an attached namespace.
Raw attributes are pairs (IFLA_… number, payload bytes), see `netorch.netlink`.
"""

from __future__ import annotations

import errno
from typing import NamedTuple

from netorch.immutable import Value, replace
from netorch.values.filter_rules import Ruleset
from netorch.values.secret import Secret

Attrs = tuple[tuple[int, bytes], ...]


class Attachment(NamedTuple):
    """The way to look up an attached namespace."""

    how: str
    """The way to find the namespace: `netns`, `pid`, `path`, `docker` or `podman`."""
    what: str
    """The name, the number or the path to look up."""

    def __str__(self) -> str:
        return f"{self.how}:{self.what}"


class NetnsAdd(Value):
    """Make a namespace."""

    netns: str
    alias: str
    """The alias of its lo, which is set before the name appears in /run/netns."""
    sysctls: tuple[tuple[str, str], ...] = ()
    """The paths and values of sysctls. A value is written only if it differs."""


class NetnsDel(Value):
    """Remove a namespace."""

    netns: str


class NameAdd(Value):
    """Give a namespace a second name in /run/netns."""

    netns: str
    """The second name."""
    target: str
    """The label of the namespace."""


class NameDel(Value):
    """Remove a second name of a namespace."""

    netns: str


class PeerSettings(Value):
    """The other end of a veth that is made."""

    netns: str
    name: str
    attrs: Attrs = ()


class LinkAdd(Value):
    """Make a link (RTM_NEWLINK with NLM_F_CREATE|NLM_F_EXCL).

    It is down, unless a LinkSet in the same batch sets it up.
    """

    netns: str
    name: str
    kind: str
    attrs: Attrs = ()
    data: Attrs = ()
    """Attributes of IFLA_INFO_DATA."""
    peer: PeerSettings | None = None
    parent: tuple[str, str] | None = None
    """The parent's namespace and name. The namespace may differ from `netns`."""
    parent_in: int = 0
    """The number of the attribute of IFLA_INFO_DATA with the parent's index, for kinds that do not
    use IFLA_LINK for it.
    """
    birthplace: str = ""
    """The namespace in which the link is made before it moves to `netns`, "" if it is made there.
    The outer packets of a tunnel belong to the namespace in which the tunnel was made.
    """


class LinkSet(Value):
    """Change a link that exists (RTM_NEWLINK). A field that is None changes nothing."""

    netns: str
    name: str
    attrs: Attrs = ()
    up: bool | None = None
    master: str | None = None
    """The name of the master, "" for none."""
    kind: str | None = None
    data: Attrs = ()
    """Attributes of IFLA_INFO_DATA."""
    links: tuple[tuple[int, str], ...] = ()
    """Attributes of IFLA_INFO_DATA with the index of a link, which is given by name ("" for 0)."""
    alone: bool = False
    """Whether the request is sent in its own message."""
    arp: bool | None = None
    """Whether the link uses ARP (IFF_NOARP is not set). Only with `alone`."""
    multicast: bool | None = None
    """Whether the link supports multicast (IFF_MULTICAST). Only with `alone`."""
    promisc: bool | None = None
    """Whether the link accepts all frames (IFF_PROMISC). Only with `alone`."""
    allmulti: bool | None = None
    """Whether the link accepts all multicasts (IFF_ALLMULTI). Only with `alone`."""


class LinkDel(Value):
    """Remove a link."""

    netns: str
    name: str


class AltnameAdd(Value):
    """Give a link a further name."""

    netns: str
    link: str
    altname: str


class AltnameDel(Value):
    """Remove a further name of a link."""

    netns: str
    link: str
    altname: str


class VlanAdd(Value):
    """Add VLANs to a port of a bridge (RTM_SETLINK of the family AF_BRIDGE)."""

    netns: str
    link: str
    own: bool
    """Whether `link` is a bridge, whose own port gets the VLANs."""
    vlans: tuple[tuple[int, int, int], ...]
    """First VLAN, last VLAN, BRIDGE_VLAN_INFO_* flags. The flags replace existing ones."""


class VlanDel(Value):
    """Remove VLANs from a port of a bridge (RTM_DELLINK of the family AF_BRIDGE).

    The kernel does not report a failure if the port does not have them.
    """

    netns: str
    link: str
    own: bool
    """Whether `link` is a bridge, whose own port loses the VLANs."""
    vlans: tuple[tuple[int, int, int], ...]
    """First VLAN, last VLAN, BRIDGE_VLAN_INFO_* flags."""


class StaticMacAdd(Value):
    """Add a static entry to a bridge: the port behind which a MAC is (RTM_NEWNEIGH, AF_BRIDGE)."""

    netns: str
    link: str
    """The port."""
    mac: bytes
    vlan: int
    """The VLAN, 0 for none."""


class StaticMacDel(Value):
    """Remove a static entry of a bridge."""

    netns: str
    link: str
    mac: bytes
    vlan: int


class AddressAdd(Value):
    """Add or replace an address (RTM_NEWADDR). Addresses are packed, in network order."""

    netns: str
    link: str
    family: int
    local: bytes
    """The address of the link."""
    address: bytes
    """The address of the peer, or the same as `local` if there is none."""
    prefixlen: int
    scope: int
    protocol: int
    flags: int = 0
    """The flags (IFA_F_*) in addition to those that all addresses get."""
    lifetimes: tuple[int, int] | None = None
    """See `AddressRecord.lifetimes`."""
    metric: int = 0
    """See `AddressRecord.metric`."""
    label: str = ""
    """See `AddressRecord.label`."""
    detection: bool = False
    """Whether Linux may look for duplicates of an IPv6 address (IFA_F_NODAD is not set)."""


class AddressDel(Value):
    """Remove an address."""

    netns: str
    link: str
    family: int
    local: bytes
    address: bytes
    prefixlen: int


class NeighbourAdd(Value):
    """Add or replace a permanent entry (RTM_NEWNEIGH): the MAC of a neighbour's address.

    With the family AF_BRIDGE, it is an entry in the link's own forwarding database instead: the
    tunnel end `address` to which frames for `mac` go.
    """

    netns: str
    link: str
    family: int
    address: bytes
    mac: bytes
    protocol: int = 0
    append: bool = False
    """Whether the entry is added to existing ones for the same MAC. Only with AF_BRIDGE."""
    extra: Attrs = ()
    """Further attributes (NDA_…) of a tunnel end."""


class NeighbourDel(Value):
    """Remove a permanent entry of a neighbour or a tunnel end."""

    netns: str
    link: str
    family: int
    address: bytes
    mac: bytes
    extra: Attrs = ()


class Encap(Value):
    """What a route puts around its packets, or takes off them (a lightweight tunnel)."""

    type: int
    """The kind of encapsulation (LWTUNNEL_ENCAP_…)."""
    attrs: Attrs
    """The attributes in RTA_ENCAP, in the order of their numbers."""
    dev: str = ""
    """The name of the link to which it delivers frames (SEG6_LOCAL_OIF), "" for none."""


class Hop(Value):
    """One next hop of a route."""

    via: bytes | None
    """The packed address of the gateway, which may be of the other family (RTA_VIA)."""
    dev: str | None
    """The name of the link."""
    weight: int = 1
    """The weight, from 1."""
    onlink: bool = False
    encap: Encap | None = None


RoutePlace = tuple[int, bytes | None, int, int, int, int, tuple[bytes, int] | None]
"""Family, destination, its prefix length, table, metric, TOS, sources."""


class RouteSpec(Value):
    """A route, both in requests and as it is read from the kernel."""

    family: int
    dst: bytes | None
    """The packed destination, None for a default route."""
    prefixlen: int
    table: int
    metric: int
    type: int
    scope: int
    protocol: int
    hops: tuple[Hop, ...]
    """The next hops. A single one is not sent as a multipath route."""
    src: bytes | None = None
    mtu: int | None = None
    unsure: tuple[Hop, ...] = ()
    """Next hops that may be foreign, because nothing shows who made them."""
    tos: int = 0
    """The TOS of the packets (IPv4). A file cannot set it."""
    sources: tuple[bytes, int] | None = None
    """The source prefix of the packets (IPv6). A file cannot set it."""
    nexthop: int = 0
    """The number of the nexthop object that has the hops. A file cannot set it."""
    further: tuple[tuple[int, bytes], ...] = ()
    """Attributes that no file can set, by their numbers: the realm, the preference of a router, and
    metrics but for the MTU. They are kept when a route changes its protocol.
    """

    @property
    def encaps(self) -> tuple[Encap, ...]:
        """The encapsulations of the next hops."""
        return tuple(hop.encap for hop in self.hops if hop.encap is not None)

    @property
    def place(self) -> RoutePlace:
        """The values by which the kernel distinguishes routes."""
        return (
            self.family,
            self.dst,
            self.prefixlen,
            self.table,
            self.metric,
            self.tos,
            self.sources,
        )

    @property
    def legs(self) -> tuple[RouteSpec, ...]:
        """One route for each next hop, because the kernel stores IPv6 routes in this form."""
        if len(self.hops) < 2 or self.nexthop:
            return (self,)
        return tuple(replace(self, hops=(hop,)) for hop in self.hops)


class RouteAdd(Value):
    """Add a route (RTM_NEWROUTE).

    Without `replace` and `append`, a route with the same destination, table and metric is replaced
    if it has the same protocol or the kernel made it. A foreign IPv6 route stays, and a foreign
    IPv4 route makes the request fail (EEXIST).
    """

    netns: str
    route: RouteSpec
    replace: bool = False
    """Whether it replaces any route with the same destination, table and metric."""
    append: bool = False
    """Whether it is added to existing routes, unless the route itself exists already."""


class RouteDel(Value):
    """Remove a route."""

    netns: str
    route: RouteSpec


class RuleSpec(Value):
    """A policy rule."""

    family: int
    priority: int
    action: int
    """The action (FR_ACT_*)."""
    table: int
    protocol: int
    src: tuple[bytes, int] | None = None
    """The source: a packed address and a prefix length."""
    dst: tuple[bytes, int] | None = None
    """The destination: a packed address and a prefix length."""
    iif: str | None = None
    oif: str | None = None
    mark: tuple[int, int] | None = None
    """The value and the mask of the packet's firewall mark."""
    l3mdev: bool = False
    """Whether the rule looks up the table of the packet's VRF. `table` is then 0."""
    tos: int = 0
    """The TOS of the packets."""
    invert: bool = False
    """Whether the conditions must not hold."""
    more: Attrs = ()
    """Further attributes (FRA_… number, payload), in the order of their numbers."""


class RuleAdd(Value):
    """Add a policy rule."""

    netns: str
    rule: RuleSpec


class RuleDel(Value):
    """Remove a policy rule."""

    netns: str
    rule: RuleSpec


class QdiscSet(Value):
    """Set the root qdisc of a link (RTM_NEWQDISC).

    A root qdisc of the same kind is changed, and any other one is replaced.
    """

    netns: str
    link: str
    kind: str
    options: bytes
    """The payload of TCA_OPTIONS."""


class QdiscDel(Value):
    """Remove the root qdisc of a link (RTM_DELQDISC). The kernel replaces it by its default."""

    netns: str
    link: str


class SysctlSet(Value):
    """Write a sysctl. Fails with ENOENT if none of its paths exists."""

    netns: str
    paths: tuple[str, ...]
    """Paths below /proc/sys, with slashes. The value is written to each one that exists."""
    value: str
    """The value, which is not written if it is already set."""
    optional: bool = False
    """Whether a failure is ignored."""
    settled: str = ""
    """The sysctl is written after the kernel has processed the carrier of this link; "" for no
    link.
    """


class FileWrite(Value):
    """Write /etc/netns/NETNS/NAME. Files with the same content are hard links of one file."""

    netns: str
    name: str
    content: str


class FileDel(Value):
    """Remove /etc/netns/NETNS/NAME."""

    netns: str
    name: str


class FilterSet(Value):
    """Set the topology's packet filter in a namespace."""

    netns: str
    backend: str
    topology: str
    rules: Ruleset
    """The new rules. If there are none, the filter `text` is restored."""
    text: str = ""
    """A filter as it was read from the kernel."""
    before: str = ""
    """The text of the filter that is replaced, "" if there is none."""


class FilterDel(Value):
    """Remove the topology's packet filter from a namespace."""

    netns: str
    backend: str
    topology: str
    before: str = ""
    """The text of the filter that is removed."""


class Accept(Value):
    """A rule that accepts forwarded packets in the chain FORWARD of iptables."""

    flavour: str
    """The variant of iptables: `nft` or `legacy`."""
    version: int
    """The IP version."""
    iif: str
    """The incoming interface, "" for any."""
    oif: str
    """The outgoing interface, "" for any."""
    reached: bool = True
    """Whether packets reach the rule, but not before netorch's own rules that drop packets."""

    def __lt__(self, other: Accept) -> bool:
        return self._order < other._order

    @property
    def _order(self) -> tuple[str, int, str, str, bool]:
        return self.flavour, self.version, self.iif, self.oif, self.reached


class ForwardAcceptAdd(Value):
    """Set the topology's rules for a bridge in the chain FORWARD of iptables.

    If the table does not exist, nothing happens, because then it does not drop packets either.
    """

    netns: str
    bridge: str
    topology: str
    rules: tuple[Accept, ...]


class ForwardAcceptDel(Value):
    """Remove the topology's rules for a bridge from the chain FORWARD of iptables."""

    netns: str
    bridge: str
    topology: str


AddressIdentity = tuple[int, bytes, int]
"""Family, address, prefix length."""
RouteIdentity = tuple[int, bytes, int, int, int]
"""Family, destination (empty for a default route), prefix length, table, metric."""
BelongingIdentity = AddressIdentity | RouteIdentity


class UplinkJoin(Value):
    """Make a NIC a port of a bridge, and move its MAC, addresses and routes to the bridge.

    If the request is repeated, it moves what the NIC still has or has got again.
    """

    netns: str
    nic: str
    bridge: str
    protocol: int
    """Addresses and routes with this protocol number stay where they are."""
    mtu: bool = True
    """Whether the bridge also gets the MTU of the NIC."""


class UplinkLeave(Value):
    """Remove a NIC from a bridge, and move the bridge's addresses and routes to the NIC.

    ENODEV is not a failure.
    """

    netns: str
    nic: str
    bridge: str
    protocol: int
    """Addresses and routes with this protocol number stay on the bridge."""
    own: tuple[BelongingIdentity, ...] | None = None
    """If given, only these addresses and routes stay, because others may use the number too."""


class TunAdd(Value):
    """Make a persistent device of /dev/net/tun with all its attributes and its alias, or fail."""

    netns: str
    name: str
    tap: bool
    """True for a device with frames, False for one with packets."""
    multi_queue: bool
    owner: int | str | None
    """The user who may use it without CAP_NET_ADMIN, None for nobody. `netorch.kernel` accepts only
    a number: a name has not been looked up yet.
    """
    group: int | str | None
    """The group that may use it, like `owner`."""
    attrs: Attrs = ()


class TunSet(Value):
    """Change who may use a device of /dev/net/tun. A field that is None changes nothing."""

    netns: str
    name: str
    tap: bool
    multi_queue: bool
    owner: int | str | None
    group: int | str | None


class WireguardSet(Value):
    """Configure a WireGuard device. A field that is None changes nothing."""

    netns: str
    name: str
    private_key: Secret | None = None
    """The key. Zeros remove it."""
    listen_port: int | None = None
    """The port; 0 lets the kernel choose one."""
    fwmark: int | None = None
    private_key_file: str = ""
    """The path of the key's file, for output."""


class WireguardPeerSet(Value):
    """Add or change a peer of a WireGuard device. A field that is None changes nothing."""

    netns: str
    link: str
    public_key: bytes
    known: bool = False
    """Whether the peer exists already."""
    preshared_key: Secret | None = None
    endpoint: tuple[bytes, int] | None = None
    """The packed address and the port of the peer."""
    keepalive: int | None = None
    """The interval of keepalive packets in seconds."""
    allowed: tuple[tuple[bytes, int], ...] | None = None
    """The complete list of packed addresses with prefix lengths."""
    preshared_key_file: str = ""
    """The path of the preshared key's file, for output."""


class WireguardPeerDel(Value):
    """Remove a peer of a WireGuard device."""

    netns: str
    link: str
    public_key: bytes


class NicTake(Value):
    """Move a NIC of the host into a namespace.

    Its settings on the host, and how to identify it, are saved in the topology's record.
    """

    netns: str
    name: str
    """The name of the NIC in the namespace."""
    origin: str
    """The name of the NIC on the host."""
    topology: str
    alias: str
    attrs: Attrs = ()
    """Attributes that it gets in the namespace."""


class NicGive(Value):
    """Return a NIC to the host, with its old name if that is free, and restore its settings.

    If the NIC is on the host already, only its settings are restored. ENODEV is not a failure.
    """

    netns: str
    name: str
    """The name of the NIC in the namespace, by which it is identified if there is no record."""
    origin: str
    """The name of the NIC on the host."""
    topology: str


Request = (
    NetnsAdd
    | NetnsDel
    | NameAdd
    | NameDel
    | LinkAdd
    | LinkSet
    | LinkDel
    | AltnameAdd
    | AltnameDel
    | VlanAdd
    | VlanDel
    | StaticMacAdd
    | StaticMacDel
    | AddressAdd
    | AddressDel
    | NeighbourAdd
    | NeighbourDel
    | RouteAdd
    | RouteDel
    | RuleAdd
    | RuleDel
    | QdiscSet
    | QdiscDel
    | SysctlSet
    | FileWrite
    | FileDel
    | FilterSet
    | FilterDel
    | ForwardAcceptAdd
    | ForwardAcceptDel
    | UplinkJoin
    | UplinkLeave
    | TunAdd
    | TunSet
    | WireguardSet
    | WireguardPeerSet
    | WireguardPeerDel
    | NicTake
    | NicGive
)


class Feature(Value):
    """A feature that a kernel may lack."""

    what: str
    """The name of the feature."""
    config: str
    """The CONFIG_ option with which the kernel is built."""
    module: str
    """The module of the feature, "" if it has none."""
    probe: tuple[Request, ...]
    """Requests to try in the throwaway namespace "". They fail if the kernel lacks the feature."""
    lacking: frozenset[int] = frozenset((errno.EOPNOTSUPP,))
    """The error numbers with which `probe` fails then."""
    remedy: str = ""
    """What to do, if neither loading the module nor another kernel helps."""

    @property
    def command(self) -> str:
        """The command that loads the module, "" if that does not help."""
        return f"modprobe {self.module}" if self.module and not self.remedy else ""


class UserNumber(Value):
    """The question which number a user has."""

    name: str
    word: str
    """The key of the file that contains the name."""


class GroupNumber(Value):
    """The question which number a group has."""

    name: str
    word: str
    """The key of the file that contains the name."""


class KeyFile(Value):
    """The question which WireGuard key a file contains."""

    path: str
    word: str
    """The key of the topology file that contains the path."""
    private: bool
    """Whether it is a private key; otherwise a preshared one."""
    is_strict: bool = False
    """Whether it is an error if everybody can read the file, and not a warning only."""


Question = UserNumber | GroupNumber | KeyFile
"""A question that depends on the machine."""


class Answer(Value):
    """The answer to a question: a value, or a problem."""

    value: int | None = None
    """The number of the user or group."""
    secret: Secret | None = None
    """The key."""
    code: str = ""
    """The code of the problem, "" if there is none."""
    problem: str = ""
    remedy: str = ""
    warning: str = ""


class Failure(Value):
    """A request that Linux refused."""

    request: Request
    errno: int
    sentence: str
    """The kernel's own message, "" if there is none."""
