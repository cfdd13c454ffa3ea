"""What netorch can ask of Linux, as plain data: kinds yield these, `netorch.kernel` carries them out.

Links are named, never numbered: the kernel door looks up (or, in a namespace that it has just made, allots) the index.
A `netns` is a label: `host`, a name in /run/netns, or `@NODE` for an attached namespace.
Raw attributes are `(IFLA_… number, payload bytes)` pairs, see `netorch.netlink`.
"""

from __future__ import annotations

import errno
from typing import NamedTuple

from netorch.immutable import Value, replace
from netorch.values.filter_rules import Ruleset
from netorch.values.secret import Secret

Attrs = tuple[tuple[int, bytes], ...]


class Attachment(NamedTuple):
    """What a namespace of others is looked up by: `how` is netns, pid, path, docker or podman."""

    how: str
    what: str

    def __str__(self) -> str:
        return f"{self.how}:{self.what}"


class NetnsAdd(Value):
    """Make the namespace `netns` with `alias` on its lo (set before the name appears), sysctls written where they differ."""

    netns: str
    alias: str
    sysctls: tuple[tuple[str, str], ...] = ()


class NetnsDel(Value):
    netns: str


class PeerSettings(Value):
    """The far end of a veth that is being made."""

    netns: str
    name: str
    attrs: Attrs = ()


class LinkAdd(Value):
    """RTM_NEWLINK with NLM_F_CREATE|NLM_F_EXCL; made down unless a LinkSet in the same batch says otherwise.

    `parent`: (namespace, name) of the link that it rides on, perhaps in another namespace; `parent_in`: the number in IFLA_INFO_DATA
    that says so for the kinds that do not do it by IFLA_LINK.
    """

    netns: str
    name: str
    kind: str
    attrs: Attrs = ()
    data: Attrs = ()
    peer: PeerSettings | None = None
    parent: tuple[str, str] | None = None
    parent_in: int = 0


class LinkSet(Value):
    """RTM_NEWLINK on an existing link. `master` is a link's name, "" for none, None to leave it alone.

    `links`: attributes of IFLA_INFO_DATA that are the index of a link, by its name ("" for 0). `alone`: in a message of its own.
    `arp`: whether it asks for MACs and tells its own (IFF_NOARP is not set); `multicast`: whether it takes part in groups
    (IFF_MULTICAST). Both only with `alone`.
    """

    netns: str
    name: str
    attrs: Attrs = ()
    up: bool | None = None
    master: str | None = None
    kind: str | None = None
    data: Attrs = ()
    links: tuple[tuple[int, str], ...] = ()
    alone: bool = False
    arp: bool | None = None
    multicast: bool | None = None


class LinkDel(Value):
    netns: str
    name: str


class AltnameAdd(Value):
    netns: str
    link: str
    altname: str


class AltnameDel(Value):
    netns: str
    link: str
    altname: str


class VlanAdd(Value):
    """RTM_SETLINK of the family AF_BRIDGE: give a bridge's port, or the bridge's own port (`own`), these VLANs.

    `vlans`: (first, last, BRIDGE_VLAN_INFO_* flags); flags replace those that were there.
    """

    netns: str
    link: str
    own: bool
    vlans: tuple[tuple[int, int, int], ...]


class VlanDel(Value):
    """The same with RTM_DELLINK: take them away. What is not there is no failure to the kernel."""

    netns: str
    link: str
    own: bool
    vlans: tuple[tuple[int, int, int], ...]


class StaticMacAdd(Value):
    """RTM_NEWNEIGH of the family AF_BRIDGE: a MAC is behind a bridge's port, in a VLAN if that is not 0."""

    netns: str
    link: str
    mac: bytes
    vlan: int


class StaticMacDel(Value):
    netns: str
    link: str
    mac: bytes
    vlan: int


class AddressAdd(Value):
    """RTM_NEWADDR, create or replace. `local` is the address, `address` the peer's (equal without one); packed, network order.

    `flags`: IFA_F_* beside those of every address; `lifetimes`, `metric`, `label`: as in an AddressRecord.
    """

    netns: str
    link: str
    family: int
    local: bytes
    address: bytes
    prefixlen: int
    scope: int
    protocol: int
    flags: int = 0
    lifetimes: tuple[int, int] | None = None
    metric: int = 0
    label: str = ""


class AddressDel(Value):
    netns: str
    link: str
    family: int
    local: bytes
    address: bytes
    prefixlen: int


class NeighbourAdd(Value):
    """RTM_NEWNEIGH of a permanent entry, create or replace: who has `address` is at `mac`.

    In the family AF_BRIDGE an entry of the link's own forwarding database: frames for `mac` go to the tunnel end `address`;
    `append`: beside the ends that are there for that MAC. `extra`: further NDA_… of a tunnel end.
    """

    netns: str
    link: str
    family: int
    address: bytes
    mac: bytes
    protocol: int = 0
    append: bool = False
    extra: Attrs = ()


class NeighbourDel(Value):
    netns: str
    link: str
    family: int
    address: bytes
    mac: bytes
    extra: Attrs = ()


class Hop(Value):
    """One next hop. `via` may be of the other family (RTA_VIA). `weight` counts from 1."""

    via: bytes | None
    dev: str | None
    weight: int = 1
    onlink: bool = False


RoutePlace = tuple[int, bytes | None, int, int, int, int, tuple[bytes, int] | None]
"""Family, destination, its length, table, metric, TOS, sources."""


class RouteSpec(Value):
    """A route as both the request and the read-back know it. `dst` None is the default route; one hop is not a multipath.

    `unsure`: the hops of which the kernel did not tell whose they are. No file asks for what is below it: `tos` (IPv4) and
    `sources`, an address and its length (IPv6), pick packets; `nexthop` is the number of the nexthop object with the hops.
    """

    family: int
    dst: bytes | None
    prefixlen: int
    table: int
    metric: int
    type: int
    scope: int
    protocol: int
    hops: tuple[Hop, ...]
    src: bytes | None = None
    mtu: int | None = None
    unsure: tuple[Hop, ...] = ()
    tos: int = 0
    sources: tuple[bytes, int] | None = None
    nexthop: int = 0

    @property
    def place(self) -> RoutePlace:
        """What the kernel tells routes apart by."""
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
        """The same as one route for each next hop, which is how the kernel keeps an IPv6 route."""
        if len(self.hops) < 2 or self.nexthop:
            return (self,)
        return tuple(replace(self, hops=(hop,)) for hop in self.hops)


class RouteAdd(Value):
    """RTM_NEWROUTE; `replace` puts it in the place of the route with the same destination, table and metric.

    Without it one of the same protocol makes room, or one that the kernel made. Anybody else's IPv6 route stays beside it;
    anybody else's IPv4 route is in the way (EEXIST). `append` puts it next to whatever is there, unless it is there itself.
    """

    netns: str
    route: RouteSpec
    replace: bool = False
    append: bool = False


class RouteDel(Value):
    netns: str
    route: RouteSpec


class RuleSpec(Value):
    """A policy rule. `src`/`dst` are (packed address, prefix length); `action` is FR_ACT_*; `mark` is (value, mask).

    `l3mdev`: it leads to the table of the VRF that the packet is in, so that `table` is 0. `tos`, `invert` and `more`, raw attributes
    (FRA_… number, payload), are what no file asks for: a rule of somebody else may.
    """

    family: int
    priority: int
    action: int
    table: int
    protocol: int
    src: tuple[bytes, int] | None = None
    dst: tuple[bytes, int] | None = None
    iif: str | None = None
    oif: str | None = None
    mark: tuple[int, int] | None = None
    l3mdev: bool = False
    tos: int = 0
    invert: bool = False
    more: Attrs = ()


class RuleAdd(Value):
    netns: str
    rule: RuleSpec


class RuleDel(Value):
    netns: str
    rule: RuleSpec


class QdiscSet(Value):
    """RTM_NEWQDISC, the link's root qdisc: one of the same `kind` is changed, any other replaced. `options`: TCA_OPTIONS' payload."""

    netns: str
    link: str
    kind: str
    options: bytes


class QdiscDel(Value):
    """RTM_DELQDISC: the kernel's default takes the place of the root qdisc."""

    netns: str
    link: str


class SysctlSet(Value):
    """Write `value` to each of `paths` (below /proc/sys, slashes) that exists; ENOENT if none does. Equal values are not written.

    `optional`: where it cannot be, it need not. `settled`: the link that the kernel is to be done with first.
    """

    netns: str
    paths: tuple[str, ...]
    value: str
    optional: bool = False
    settled: str = ""


class FileWrite(Value):
    """Write /etc/netns/NETNS/NAME; files of one content are hard links of one another."""

    netns: str
    name: str
    content: str


class FileDel(Value):
    netns: str
    name: str


class FilterSet(Value):
    """Make the topology's packet filter in `netns` this one. Without `rules`, put back what was read as `text`.

    `before`: the text of what it replaces.
    """

    netns: str
    backend: str
    topology: str
    rules: Ruleset
    text: str = ""
    before: str = ""


class FilterDel(Value):
    netns: str
    backend: str
    topology: str
    before: str = ""


class Accept(Value):
    """A rule that lets pass what comes in by `iif` and leaves by `oif` ("" for any), in iptables of a flavour (nft, legacy).

    `reached`: a packet comes to it, and not before the drops of our own.
    """

    flavour: str
    version: int
    iif: str
    oif: str
    reached: bool = True

    def __lt__(self, other: Accept) -> bool:
        return self._order < other._order

    @property
    def _order(self) -> tuple[str, int, str, str, bool]:
        return self.flavour, self.version, self.iif, self.oif, self.reached


class ForwardAcceptAdd(Value):
    """Make the topology's accepts for the bridge these, in others' iptables chains; where there is no such table nothing drops."""

    netns: str
    bridge: str
    topology: str
    rules: tuple[Accept, ...]


class ForwardAcceptDel(Value):
    netns: str
    bridge: str
    topology: str


AddressIdentity = tuple[int, bytes, int]
"""Family, address, prefix length."""
RouteIdentity = tuple[int, bytes, int, int, int]
"""Family, destination, prefix length, table, metric; no destination of a default route."""
BelongingIdentity = AddressIdentity | RouteIdentity


class UplinkJoin(Value):
    """Make `nic` a port of `bridge`, which gets its MAC (and its MTU, if `mtu`), its addresses and its routes.

    Those of `protocol` stay where they are. Asked again it moves what is still, or once more, on the NIC.
    """

    netns: str
    nic: str
    bridge: str
    protocol: int
    mtu: bool = True


class UplinkLeave(Value):
    """Take `nic` out of `bridge` and give it the bridge's addresses and routes, but those of `protocol`. ENODEV is not a failure.

    Where `own` is given, only what it names stays: others may have that number, too.
    """

    netns: str
    nic: str
    bridge: str
    protocol: int
    own: tuple[BelongingIdentity, ...] | None = None


class TunAdd(Value):
    """Make a persistent device of /dev/net/tun, for frames (`tap`) or packets: with its attributes and its alias, or not at all.

    `owner` and `group` are who may use it without CAP_NET_ADMIN, None for nobody. The kernel's door takes numbers alone; a name
    is one that nobody has looked up.
    """

    netns: str
    name: str
    tap: bool
    multi_queue: bool
    owner: int | str | None
    group: int | str | None
    attrs: Attrs = ()


class TunSet(Value):
    """Say anew who may use a device of /dev/net/tun; None leaves it as it is."""

    netns: str
    name: str
    tap: bool
    multi_queue: bool
    owner: int | str | None
    group: int | str | None


class WireguardSet(Value):
    """How a WireGuard device is set; None leaves alone. A key of zeros is not a key, a port of 0 one that the kernel chooses.

    `private_key_file`: where the key stands, for people.
    """

    netns: str
    name: str
    private_key: Secret | None = None
    listen_port: int | None = None
    fwmark: int | None = None
    private_key_file: str = ""


class WireguardPeerSet(Value):
    """A peer of a WireGuard device, made unless it is `known`; None leaves alone.

    `endpoint` is (packed address, port), `allowed` the whole list of (packed address, prefix length), `keepalive` in seconds.
    """

    netns: str
    link: str
    public_key: bytes
    known: bool = False
    preshared_key: Secret | None = None
    endpoint: tuple[bytes, int] | None = None
    keepalive: int | None = None
    allowed: tuple[tuple[bytes, int], ...] | None = None
    preshared_key_file: str = ""


class WireguardPeerDel(Value):
    netns: str
    link: str
    public_key: bytes


class NicTake(Value):
    """Move the host's NIC `origin` into `netns` as `name`, marked with `alias`, with `attrs` of its own there.

    What it had on the host is remembered with the topology's record, and how it is told from others.
    """

    netns: str
    name: str
    origin: str
    topology: str
    alias: str
    attrs: Attrs = ()


class NicGive(Value):
    """Give a NIC back to the host, by its old name if that is free, with what is remembered of it; one that is there already gets the
    rest. ENODEV is not a failure.

    A record of it says which one it is; without a record it is the one called `name`.
    """

    netns: str
    name: str
    origin: str
    topology: str


Request = (
    NetnsAdd
    | NetnsDel
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
    """Something that a kernel may be built without: what it is called, its CONFIG_ option, its module ("" where it is in none).

    `probe` is carried out in the throwaway namespace "" and fails with one of `lacking` where the kernel does not have it.
    `remedy`: what to do, where it is neither a module nor another kernel.
    """

    what: str
    config: str
    module: str
    probe: tuple[Request, ...]
    lacking: frozenset[int] = frozenset((errno.EOPNOTSUPP,))
    remedy: str = ""

    @property
    def command(self) -> str:
        """The command that loads its module, "" where that would not help."""
        return f"modprobe {self.module}" if self.module and not self.remedy else ""


class UserNumber(Value):
    """Which number a user has. `word`: the key of the file that asks."""

    name: str
    word: str


class GroupNumber(Value):
    name: str
    word: str


class KeyFile(Value):
    """Which key a file holds, a `private` one or one that is shared."""

    path: str
    word: str
    private: bool


Question = UserNumber | GroupNumber | KeyFile
"""What only this machine can tell."""


class Answer(Value):
    """What it told: a number or a secret, or the `problem` with its `code` and `remedy`; `warning` is for people."""

    value: int | None = None
    secret: Secret | None = None
    code: str = ""
    problem: str = ""
    remedy: str = ""
    warning: str = ""


class Failure(Value):
    """A request that Linux refused: which one of its channel's, the errno, and the kernel's own sentence where it gave one."""

    request: Request
    errno: int
    sentence: str
