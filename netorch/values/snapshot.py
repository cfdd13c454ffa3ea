"""What was read from Linux, before kinds recognise their objects in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netorch.immutable import Value, field
from netorch.values.ownership import Original
from netorch.values.policy import BridgeEntry, KernelRoute, KernelRule, NeighbourEntry
from netorch.values.requests import Accept, Attrs, Request, RouteSpec, RuleSpec
from netorch.values.secret import Secret

LOOPBACK_INDEX = 1
"""The index of lo in every namespace (LOOPBACK_IFINDEX in net/flow.h)."""

SHAPERS = frozenset(("netem", "tbf"))
"""The kinds of qdiscs that netorch sets and reads."""


class LinkRecord(Value):
    """One link."""

    index: int
    name: str
    flags: int
    """The flags of the link (IFF_*)."""
    mtu: int
    mac: bytes
    kind: str
    master: int
    """The index of the master, 0 for none."""
    link: int
    """The index of the parent or of the other end, 0 for none."""
    link_netnsid: int | None
    """The number of the namespace to which the index in `link` belongs, None for this one."""
    group: int
    alias: str
    txqueuelen: int
    altnames: tuple[str, ...]
    data: Mapping[int, bytes]
    """Attributes of IFLA_INFO_DATA: number → payload."""
    port: Mapping[int, bytes]
    """Attributes of IFLA_INFO_SLAVE_DATA: number → payload."""
    qdisc: str = ""
    """The kind of the root qdisc."""


class AddressRecord(Value):
    """One address of a link."""

    family: int
    index: int
    """The index of the link."""
    local: bytes
    """The address of the link."""
    address: bytes
    """The address of the peer, or the same as `local` if there is none."""
    prefixlen: int
    scope: int
    flags: int
    """The flags of the address (IFA_F_*)."""
    protocol: int
    lifetimes: tuple[int, int] | None = None
    """The seconds for which it is valid and preferred, None if it is permanent."""
    metric: int = 0
    """The metric of the route to its subnet."""
    label: str = ""

    @property
    def is_link_local(self) -> bool:
        """Whether it is an address of IPv6 such as those that Linux gives to each link."""
        return len(self.local) == 16 and self.local.startswith(b"\xfe\x80")


class QdiscRecord(Value):
    """A root qdisc that is not the kernel's default."""

    kind: str
    options: bytes
    """The payload of TCA_OPTIONS."""


class NeighbourRecord(Value):
    """One permanent entry: the MAC of a neighbour's address.

    With the family AF_BRIDGE, it is the tunnel end `address` to which frames for `mac` go.
    """

    family: int
    index: int
    """The index of the link."""
    address: bytes
    mac: bytes
    protocol: int
    extra: Attrs = ()
    """Further attributes (NDA_…) of a tunnel end."""
    noarp: bool = False
    """Whether its state is NUD_NOARP. The kernel adds such entries itself on links without ARP."""


class PeerRecord(Value):
    """A peer of a WireGuard device."""

    public_key: bytes
    preshared_key: Secret | None = None
    endpoint: tuple[bytes, int] | None = None
    """The packed address and the port of the peer. After a handshake, they are the source of the
    peer's last packet.
    """
    keepalive: int = 0
    """The interval of keepalive packets in seconds, 0 if they are off."""
    handshake: bool = False
    """Whether there was a handshake."""
    allowed: tuple[tuple[bytes, int], ...] = ()
    """The networks that the peer may have (allowed_ips): packed addresses and prefix lengths."""


class WireguardRecord(Value):
    """The configuration of a WireGuard device."""

    private_key: Secret | None = None
    listen_port: int = 0
    fwmark: int = 0
    peers: tuple[PeerRecord, ...] = ()


class ForwardChain(Value):
    """The chain FORWARD of iptables for one IP version."""

    flavour: str
    """The variant of iptables: `nft` or `legacy`."""
    version: int
    drops: bool
    """Whether it drops packets that no rule accepts."""
    accepts: tuple[Accept, ...] = ()
    """The topology's own rules in it."""
    names: frozenset[str] = frozenset()
    """The interfaces that its rules name."""


class DroppingChain(Value):
    """A foreign base chain of nftables that drops packets which it does not explicitly accept."""

    family: str
    table: str
    chain: str
    names: frozenset[str] = frozenset()
    """All texts in quotes in the table."""
    handle: int = 0
    """The handle of the rule that drops, 0 if the policy does."""

    @property
    def versions(self) -> tuple[int, ...]:
        """The IP versions of its packets."""
        return {"ip": (4,), "ip6": (6,)}.get(self.family, (4, 6))


class UnreadableRules(Value):
    """Foreign packet filter rules that netorch needs to read and cannot read."""

    backend: str
    """`nftables` or `iptables`: the one whose library is needed."""
    what: str


class ForwardSnapshot(Value):
    """The foreign rules for forwarded packets in one namespace."""

    forward_chains: tuple[ForwardChain, ...] = ()
    dropping_chains: tuple[DroppingChain, ...] = ()
    bridged: frozenset[int] = frozenset()
    """IP versions for which frames between ports of a bridge are filtered (br_netfilter)."""
    unreadable: tuple[UnreadableRules, ...] = ()


class FilterListing(Value):
    """All rules of one backend in a namespace, whoever made them."""

    text: str
    """The output of the backend's own tool."""
    json: str = ""
    """The same as JSON, "" if the backend has no JSON."""
    extensions: Mapping[tuple[str, str, int], tuple[str, ...]] = field(default_factory=dict)
    """Family, table and handle of a rule of nftables → the parts that it takes from iptables. They
    are in the notation of iptables-save. The JSON does not contain them.
    """


class Passage(Value):
    """Everything in one namespace that decides where packets go, whoever made it."""

    routes: tuple[KernelRoute, ...] = ()
    """All routes, including those that the kernel made."""
    rules: tuple[KernelRule, ...] = ()
    plain_ipv6: bool = False
    """Whether IPv6 uses the tables local and main, whatever its rules are. The kernel does so until
    the first rule is added.
    """
    neighbours: tuple[NeighbourEntry, ...] = ()
    bridge_entries: tuple[BridgeEntry, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    """Path below /proc/sys → value, for sysctls that decide where packets go."""
    filters: Mapping[str, FilterListing] = field(default_factory=dict)
    """Backend → its rules."""
    filtered: tuple[str, ...] = ()
    """The links on which filters of tc may drop or redirect incoming frames."""
    unseen: tuple[str, ...] = ()
    """Sentences about what could not be read."""


Answered = tuple[bool, int, bytes, bytes | None]
"""A question to a netlink socket, and the digest of the answer. The question is whether it asks for
a dump, the type of the request, and the rest of it. The digest is None if the answer has none.
"""


class NetnsSnapshot(Value):
    """One namespace, read in full."""

    label: str
    inode: tuple[int, int]
    """The device and the inode of its nsfs file (st_dev, st_ino)."""
    links: tuple[LinkRecord, ...]
    addresses: tuple[AddressRecord, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
    rules: tuple[RuleSpec, ...] = ()
    forwarding: tuple[bool | None, bool | None] = (None, None)
    """Whether it forwards IPv4 and IPv6, None where that was not read."""
    sysctls: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """Name of a file in /etc/netns → its content."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """Backend → the text of the topology's own packet filter."""
    listening: frozenset[tuple[str, bytes, int]] = frozenset()
    """Protocol, packed address and port of listening sockets. Read only if the namespace is to have
    a packet filter, and for the walk.
    """
    forward: ForwardSnapshot = field(default_factory=ForwardSnapshot)
    qdiscs: Mapping[int, QdiscRecord] = field(default_factory=dict)
    """Index of a link → its root qdisc, if its kind is in `SHAPERS`."""
    neighbours: tuple[NeighbourRecord, ...] = ()
    cookie: int = 0
    """A number that no other namespace gets until the next boot, unlike the inode. 0 if the kernel
    has no such numbers.
    """
    wireguard: Mapping[int, WireguardRecord] = field(default_factory=dict)
    """Index of a link → its configuration, for WireGuard devices that netorch made."""
    vlans: Mapping[int, Mapping[int, int]] = field(default_factory=dict)
    """Index of a bridge or of its port → VLAN → BRIDGE_VLAN_INFO_* flags. Read only if a bridge of
    the topology filters VLANs.
    """
    static_macs: Mapping[int, Sequence[tuple[bytes, int]]] = field(default_factory=dict)
    """Index of a bridge's port → the MACs of its static entries, each with its VLAN, or 0."""
    passage: Passage | None = None
    """Everything that decides where packets go; None unless the scope asks for it."""
    lost_routes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Index of a link → descriptions of the routes that the kernel made for its addresses, and that
    no longer exist.
    """
    foreign_filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Backend → objects with the name of a part of the topology's filter but without its mark. Each
    is the first line of its listing.
    """
    nsids: Mapping[str, int] = field(default_factory=dict)
    """Label of another namespace → its number in this one. Read only in attached namespaces, for
    namespaces to which veths of the topology lead, and where tunnels were made in other namespaces,
    for the host.
    """
    is_own: bool = True
    """Whether it belongs to the user namespace of this process, so that only root writes marks."""
    answers: tuple[Answered, ...] = ()
    """The digests of what its netlink socket answered, if the scope asks for them."""

    shares: str = ""
    """The label under which this namespace was read, if this label is a second name for it. Only
    the files of the second name are here then.
    """

    @property
    def identity(self) -> tuple[int, int]:
        """The inode number and the cookie. A later namespace may get the same inode number."""
        return self.inode[1], self.cookie

    @property
    def mark(self) -> str:
        """The alias of lo, which tells who made the namespace, whatever name lo has."""
        return next((link.alias for link in self.links if link.index == LOOPBACK_INDEX), "")


class Snapshot(Value):
    """Everything that was read from the kernel at one moment."""

    namespaces: Mapping[str, NetnsSnapshot]
    """Label → a namespace that was read in full."""
    other_names: Mapping[str, str | None] = field(default_factory=dict)
    """Name in /run/netns of which only the mark was read → the alias of lo ("" for none), or None
    if it is a stale file and not a namespace.
    """
    orphans: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Folder in /etc/netns without a namespace of its name → the files in it that netorch may have
    written.
    """
    foreign_files: Mapping[str, str] = field(default_factory=dict)
    """Name in /run/netns that is neither a network namespace nor a stale file → what it is."""
    nics: Mapping[str, tuple[str, int] | None] = field(default_factory=dict)
    """NIC of the host that is lent according to the topology's record → label and index of its
    link, None if there is no such link.
    """
    second_names: Mapping[str, str] = field(default_factory=dict)
    """Foreign second name in /run/netns of a namespace → the name under which it was read."""


class Scope(Value):
    """Selects what to read: the host, all namespaces with a mark, and the labels given here."""

    mark: str
    """The beginning of lo's alias in namespaces to read."""
    in_full: frozenset[str] = frozenset()
    """Names in /run/netns to read in full if they exist, whoever made them."""
    second_names: tuple[frozenset[str], ...] = ()
    """The names of `in_full` that are the second ones if two lead to the same namespace. A later
    set counts where the earlier ones do not decide.
    """
    attached: frozenset[str] = frozenset()
    """Labels of attached namespaces."""
    sysctls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Label → paths below /proc/sys to read."""
    topology: str = ""
    filters: frozenset[str] = frozenset()
    """Labels that are to have a packet filter of `topology`, so that listening sockets matter."""
    forwards: frozenset[str] = frozenset()
    """Labels in which foreign rules for forwarded packets matter."""
    neighbours: bool = False
    """Whether to read neighbours."""
    static_macs: bool = False
    """Whether to read static entries of bridges."""
    passage: bool = False
    """Whether to read everything that decides where packets go."""
    unmarked: bool = False
    """Whether to read all details of links without a mark, because the topology may adopt them."""
    answers: bool = False
    """Whether to record the digests of what the kernel answers."""
    numbers: bool = False
    """Whether to read the nsids of the namespaces that links may lead to, whatever their marks."""
    brief: bool = False
    """Whether to read only links and files of namespaces with the mark, because everything else is
    removed with them. Namespaces with other than simple links are still read in full.
    """
    recorded_filters: Mapping[str, str] = field(default_factory=dict)
    """Label → the backend of the filter that the topology's record mentions, "" if an older version
    made it without marks.
    """
    only: frozenset[str] | None = None
    """The only names in /run/netns to look at, None for all. Of the host nothing is read then,
    unless it has the label of the host, too.
    """


class Adoption(Value):
    """How an object that netorch did not make gets the marks of a topology."""

    netns: NetnsSnapshot
    """The namespace of the object, as it is when the object has the marks."""
    put: tuple[Request, ...]
    """The requests that put the marks on it."""
    take_back: tuple[Request, ...]
    """The requests that leave it as it was before."""
    original: Original | None = None
    """The marks that it had before."""
