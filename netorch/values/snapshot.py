"""What was read from Linux, undigested: the values that kinds recognise their objects in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netorch.immutable import Value, field
from netorch.values.policy import BridgeEntry, KernelRoute, KernelRule, NeighbourEntry
from netorch.values.requests import Accept, Attrs, RouteSpec, RuleSpec
from netorch.values.secret import Secret

SHAPERS = frozenset(("netem", "tbf"))
"""The qdiscs that kinds set and want to see."""


class LinkRecord(Value):
    """One link of a dump. `master` and `link` are indices (0: none); `link_netnsid` is None where the link's partner is here.

    `data` holds IFLA_INFO_DATA's attributes, `port` IFLA_INFO_SLAVE_DATA's, number → payload.
    `qdisc` is the kind of the root qdisc.
    """

    index: int
    name: str
    flags: int
    mtu: int
    mac: bytes
    kind: str
    master: int
    link: int
    link_netnsid: int | None
    group: int
    alias: str
    txqueuelen: int
    altnames: tuple[str, ...]
    data: Mapping[int, bytes]
    port: Mapping[int, bytes]
    qdisc: str = ""


class AddressRecord(Value):
    """One address of a dump; `local` is the link's own, `address` the peer's or the same. `flags` are IFA_F_*.

    `lifetimes` are the seconds for which it is valid and preferred, None of one that stays. `metric` is that of its route.
    """

    family: int
    index: int
    local: bytes
    address: bytes
    prefixlen: int
    scope: int
    flags: int
    protocol: int
    lifetimes: tuple[int, int] | None = None
    metric: int = 0
    label: str = ""


class QdiscRecord(Value):
    """A root qdisc that somebody has set; `options` is the payload of TCA_OPTIONS."""

    kind: str
    options: bytes


class NeighbourRecord(Value):
    """One permanent entry of a dump: who has `address` is at `mac`; in the family AF_BRIDGE, frames for `mac` go to the tunnel end
    `address`, with what else is said of that end in `extra` (NDA_…). `noarp`: it says NUD_NOARP, as what the kernel enters by
    itself on a link that asks for no MACs.
    """

    family: int
    index: int
    address: bytes
    mac: bytes
    protocol: int
    extra: Attrs = ()
    noarp: bool = False


class PeerRecord(Value):
    """A peer of a WireGuard device. `handshake`: there was one; from then on its endpoint is where it was last heard from."""

    public_key: bytes
    preshared_key: Secret | None = None
    endpoint: tuple[bytes, int] | None = None
    keepalive: int = 0
    handshake: bool = False
    allowed: tuple[tuple[bytes, int], ...] = ()


class WireguardRecord(Value):
    """How a WireGuard device is set."""

    private_key: Secret | None = None
    listen_port: int = 0
    fwmark: int = 0
    peers: tuple[PeerRecord, ...] = ()


class ForwardChain(Value):
    """The chain FORWARD of iptables in one flavour (nft, legacy).

    `drops`: it drops what nothing accepts. `accepts`: the topology's own rules in it. `names`: the interfaces that its rules name.
    """

    flavour: str
    version: int
    drops: bool
    accepts: tuple[Accept, ...] = ()
    names: frozenset[str] = frozenset()


class DroppingChain(Value):
    """A base chain of somebody else's nftables that drops what it does not know. `names`: all that its table says in quotes.

    `handle`: that of the rule which drops, 0 where it is the policy.
    """

    family: str
    table: str
    chain: str
    names: frozenset[str] = frozenset()
    handle: int = 0

    @property
    def versions(self) -> tuple[int, ...]:
        return {"ip": (4,), "ip6": (6,)}.get(self.family, (4, 6))


class UnreadableRules(Value):
    """Rules of others that netorch would have to look into and cannot."""

    backend: str
    """`nftables` or `iptables`: the one whose library is needed."""
    what: str


class ForwardSnapshot(Value):
    """What others let pass, and what they drop.

    `bridged`: IP versions in which frames from port to port of a bridge are filtered (br_netfilter).
    """

    forward_chains: tuple[ForwardChain, ...] = ()
    dropping_chains: tuple[DroppingChain, ...] = ()
    bridged: frozenset[int] = frozenset()
    blind: tuple[UnreadableRules, ...] = ()
    """What could not be looked into."""


class FilterListing(Value):
    """What one backend has in a namespace, whoever made it. `text`: as its own tool lists it.

    `json`: the same for a program, where the backend has that. `extensions`: what a rule (family, table, handle) of nftables takes
    from iptables, as iptables-save writes it, since the JSON leaves it out.
    """

    text: str
    json: str = ""
    extensions: Mapping[tuple[str, str, int], tuple[str, ...]] = field(default_factory=dict)


class Passage(Value):
    """What decides about packets, whoever set it: of one namespace, in full."""

    routes: tuple[KernelRoute, ...] = ()
    """All of them, the kernel's too."""
    rules: tuple[KernelRule, ...] = ()
    plain_ipv6: bool = False
    """IPv6 looks in the tables local and main, whatever its rules say: it does so until somebody adds a rule."""
    neighbours: tuple[NeighbourEntry, ...] = ()
    bridge_entries: tuple[BridgeEntry, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    """Path below /proc/sys → value, of those sysctls that decide about packets."""
    filters: Mapping[str, FilterListing] = field(default_factory=dict)
    """Backend → all that it has."""
    unseen: tuple[str, ...] = ()
    """Sentences about what could not be read."""


class NetnsSnapshot(Value):
    """One namespace, read in full. `inode` is (st_dev, st_ino) of its nsfs file; lo's alias says who made it (`owner` text).
    `filters`: backend → the topology's own packet filter as it lists it. `strange_filters`: backend → what has the name of a part of
    that filter and not the topology's mark, each as the line by which a listing of it begins.
    `listening`: (protocol, packed address, port) of sockets that wait for others, read only where a filter is wanted.
    `vlans`: index of a bridge or of its port → VLAN →
    BRIDGE_VLAN_INFO_* flags, read only where a bridge of the topology knows VLANs. `qdiscs`: index of a link → its root
    qdisc, of the kinds in SHAPERS alone. `cookie`: a number that no other namespace gets until the next boot, unlike `inode`; 0
    where the kernel gives none. `wireguard`: index of a link → how the device is set, of those that netorch made.
    `static_macs`: index of a bridge's port → the MACs that are said to be behind it, each with its VLAN, or 0.
    `passage`: read only for who follows a packet.
    """

    label: str
    inode: tuple[int, int]
    links: tuple[LinkRecord, ...]
    addresses: tuple[AddressRecord, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
    rules: tuple[RuleSpec, ...] = ()
    forwarding: tuple[bool | None, bool | None] = (None, None)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    filters: Mapping[str, str] = field(default_factory=dict)
    listening: frozenset[tuple[str, bytes, int]] = frozenset()
    forward: ForwardSnapshot = field(default_factory=ForwardSnapshot)
    qdiscs: Mapping[int, QdiscRecord] = field(default_factory=dict)
    neighbours: tuple[NeighbourRecord, ...] = ()
    cookie: int = 0
    wireguard: Mapping[int, WireguardRecord] = field(default_factory=dict)
    vlans: Mapping[int, Mapping[int, int]] = field(default_factory=dict)
    static_macs: Mapping[int, Sequence[tuple[bytes, int]]] = field(default_factory=dict)
    passage: Passage | None = None
    lost_routes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Index of a link → the routes that the kernel had made of its addresses, and that are gone, in words."""
    strange_filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    nsids: Mapping[str, int] = field(default_factory=dict)
    """Labels of other namespaces → the number that each has here, of those that cables of ours lead to from an attached one."""
    is_own: bool = True
    """Whether it belongs to the user namespace of this process, so that nobody but its root writes marks there."""

    @property
    def identity(self) -> tuple[int, int]:
        """By which it is known again later, when another namespace may have its inode."""
        return self.inode[1], self.cookie

    @property
    def mark(self) -> str:
        """The alias of lo, which says who made the namespace."""
        return next((link.alias for link in self.links if link.name == "lo"), "")


class Snapshot(Value):
    """Everything that was looked at.

    `namespaces`: label → read in full. `strangers`: names in /run/netns that were only looked at for their mark → lo's alias
    ("" without one), or None for an entry that is not a namespace at all (a stale file). `orphans`: directories in /etc/netns of
    names that are no namespace (any more) → the files in them that netorch may have written.
    """

    namespaces: Mapping[str, NetnsSnapshot]
    strangers: Mapping[str, str | None] = field(default_factory=dict)
    orphans: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    odd: Mapping[str, str] = field(default_factory=dict)
    """Names in /run/netns that are neither a network namespace nor what a crash leaves → what they are."""
    nics: Mapping[str, tuple[str, int] | None] = field(default_factory=dict)
    """NICs of the host that the topology has on record as lent → label and index of the link, None where it is not found."""
    doubles: Mapping[str, str] = field(default_factory=dict)
    """Names in /run/netns of a namespace that has another one, by which it was read → that one."""


class Scope(Value):
    """What to read: besides the host, every namespace whose lo alias starts with `mark`, and the labels named here.

    `in_full`: names in /run/netns to read in full if they exist, whoever made them.
    `attached`: labels of namespaces that were attached to. `sysctls`: label → paths below /proc/sys.
    `filters`: labels that are to have a packet filter of `topology`, where it matters who listens.
    `recorded_filters`: label → the backend of the filter that the topology's record tells of, "" where an older version made it
    and put no marks on it.
    `forwards`: labels where it matters what others drop. `neighbours`, `static_macs`: read those too. `passage`: read all that decides
    about packets. `brief`: of namespaces that carry the mark only links and files, since all else goes with them; of those with other links
    than the simplest still everything.
    """

    mark: str
    in_full: frozenset[str] = frozenset()
    attached: frozenset[str] = frozenset()
    sysctls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    topology: str = ""
    filters: frozenset[str] = frozenset()
    forwards: frozenset[str] = frozenset()
    neighbours: bool = False
    static_macs: bool = False
    passage: bool = False
    brief: bool = False
    recorded_filters: Mapping[str, str] = field(default_factory=dict)
