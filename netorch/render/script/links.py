"""Links as ip-link(8) makes and changes them."""

from __future__ import annotations

from hashlib import blake2b
from shlex import quote

from netorch.immutable import replace
from netorch.netlink import constants as c
from netorch.render.script.context import Commands, Context, words
from netorch.render.script.kinds import data_words, default_attributes, primary_word
from netorch.state.key import HOST
from netorch.values.marks import ALIAS, read_alias
from netorch.values.requests import (
    AltnameAdd,
    AltnameDel,
    Attrs,
    LinkAdd,
    LinkDel,
    LinkSet,
    NicGive,
    NicTake,
    PeerSettings,
    TunAdd,
    TunSet,
)


def link_add(request: LinkAdd, context: Context) -> Commands:
    if request.peer is not None:
        return [_pair(request, request.peer, context)]
    label, parent = (request.netns, "") if request.parent is None else request.parent
    far = label != request.netns
    name = (
        _temporary(request.name)
        if far and _is_taken(context, label, request.name)
        else request.name
    )
    on = f"link {quote(parent)}" if parent and not request.parent_in else ""
    command = words(
        context.tool("ip", label),
        f"link add name {quote(name)}",
        on,
        f"netns {context.netns(request.netns)}" if far else "",
        _attributes(request.attrs, replace(context, fresh=request.kind)),
        f"type {request.kind}",
        f"dev {quote(parent)}" if parent and request.parent_in else "",
        data_words(request.kind, request.data, fresh=True),
    )
    if name == request.name:
        return [command]
    return [
        command,
        f"{context.tool('ip', request.netns)} link set dev {name} name {quote(request.name)}",
    ]


def link_set(request: LinkSet, context: Context) -> Commands:
    said = [_attributes(request.attrs, context)]
    if request.master is not None:
        said.append(f"master {quote(request.master)}" if request.master else "nomaster")
    if request.up is not None:
        said.append("up" if request.up else "down")
    if request.arp is not None:
        said.append("arp on" if request.arp else "arp off")
    if request.multicast is not None:
        said.append("multicast on" if request.multicast else "multicast off")
    if request.kind is not None and request.data:
        said.append(f"type {request.kind} {data_words(request.kind, request.data, fresh=False)}")
    commands = [_set(request.netns, request.name, words(*said), context)] if any(said) else []
    for number, link in request.links:
        assert request.kind is not None
        word = primary_word(request.kind, number)
        if link:
            commands.append(
                _set(
                    request.netns,
                    request.name,
                    f"type {request.kind} {word} {quote(link)}",
                    context,
                )
            )
        else:
            # ip-link has no word for none
            file = quote(f"/sys/class/net/{request.name}/bonding/{word}")
            commands.append(context.inside(f"sh -c {quote(f'echo >{file}')}", request.netns))
    return commands


def link_del(request: LinkDel, context: Context) -> Commands:
    return [f"{context.tool('ip', request.netns)} link delete dev {quote(request.name)}"]


def altname_add(request: AltnameAdd, context: Context) -> Commands:
    return [
        f"{context.tool('ip', request.netns)} link property add dev {quote(request.link)} altname {quote(request.altname)}"
    ]


def altname_del(request: AltnameDel, context: Context) -> Commands:
    return [
        f"{context.tool('ip', request.netns)} link property del dev {quote(request.link)} altname {quote(request.altname)}"
    ]


def tun_add(request: TunAdd, context: Context) -> Commands:
    mode = "tap" if request.tap else "tun"
    command = words(
        context.tool("ip", request.netns),
        f"tuntap add dev {quote(request.name)} mode {mode}",
        "multi_queue" if request.multi_queue else "",
        *_owners(("user", "group"), request),
    )
    said = _attributes(request.attrs, replace(context, fresh=mode))
    return [command, *([_set(request.netns, request.name, said, context)] if said else [])]


def tun_set(request: TunSet, context: Context) -> Commands:
    # ip-tuntap only makes; tunctl (uml-utilities) also opens what is there
    return [
        context.inside(
            words(f"tunctl -t {quote(request.name)}", *_owners(("-u", "-g"), request)),
            request.netns,
        )
    ]


def nic_take(request: NicTake, context: Context) -> Commands:
    ip = context.tool("ip", HOST)
    nic = quote(request.origin)
    commands = [f"{ip} link set dev {nic} alias {quote(request.alias)}"] if context.marks else []
    renamed = f" name {quote(request.name)}" if request.name != request.origin else ""
    commands.append(f"{ip} link set dev {nic} netns {context.netns(request.netns)}{renamed}")
    said = _attributes(request.attrs, context)
    return [*commands, *([_set(request.netns, request.name, said, context)] if said else [])]


def nic_give(request: NicGive, context: Context) -> Commands:
    renamed = f" name {quote(request.origin)}" if request.name != request.origin else ""
    back = [
        f"{context.tool('ip', request.netns)} link set dev {quote(request.name)} netns {context.netns(HOST)}{renamed}"
    ]
    if request.netns == HOST:
        back = [f"ip link set dev {quote(request.name)} down{renamed}"] if renamed else []
    return [*back, f"ip link set dev {quote(request.origin)} alias ''"]


def _set(label: str, name: str, said: str, context: Context) -> str:
    return f"{context.tool('ip', label)} link set dev {quote(name)} {said}"


def _pair(request: LinkAdd, peer: PeerSettings, context: Context) -> str:
    """From the side of the host, if one end is there: it has no name that the other side could call it by."""
    near = (request.netns, request.name, request.attrs)
    far = (peer.netns, peer.name, peer.attrs)
    if peer.netns == HOST:
        near, far = far, near
    fresh = replace(context, fresh=request.kind)
    return words(
        context.tool("ip", near[0]),
        f"link add name {quote(near[1])}",
        _attributes(near[2], fresh),
        f"type {request.kind} peer name {quote(far[1])}",
        f"netns {context.netns(far[0])}" if far[0] != near[0] else "",
        _attributes(far[2], fresh),
    )


def _attributes(attrs: Attrs, context: Context) -> str:
    """`mtu 9000 address 02:…`; what a new link has anyhow goes without saying, and so do marks that nobody asked for."""
    return words(
        *(
            _attribute(number, payload, context)
            for number, payload in attrs
            if not _is_usual(number, payload, context)
        )
    )


def _is_usual(number: int, payload: bytes, context: Context) -> bool:
    return (number, int.from_bytes(payload, "little")) in set(default_attributes(context.fresh))


def _attribute(number: int, payload: bytes, context: Context) -> str:
    match number:
        case c.IFLA_MTU:
            return f"mtu {int.from_bytes(payload, 'little')}"
        case c.IFLA_ADDRESS:
            return f"address {payload.hex(':')}"
        case c.IFLA_TXQLEN:
            return f"txqueuelen {int.from_bytes(payload, 'little')}"
        case c.IFLA_GROUP:
            return f"group {int.from_bytes(payload, 'little')}" if context.marks else ""
        case c.IFLA_IFALIAS:
            text = payload.rstrip(b"\0").decode(errors="replace")
            if not context.marks and text.startswith(ALIAS):
                text = read_alias(text).description
            return f"alias {quote(text)}" if text or context.marks else ""
        case c.IFLA_IFNAME:
            return f"name {quote(payload.rstrip(bytes(1)).decode(errors='replace'))}"
    raise LookupError(f"ip link has no word for attribute {number}")


def _owners(options: tuple[str, str], request: TunAdd | TunSet) -> list[str]:
    pairs = zip(options, (request.owner, request.group), strict=True)
    return [f"{option} {quote(str(who))}" for option, who in pairs if who is not None]


def _is_taken(context: Context, label: str, name: str) -> bool:
    """Whether a link of the name is, or may be, where its parent is: kernels before 6.15 refuse the new one then."""
    return label not in context.made or (label, name) in context.links


def _temporary(name: str) -> str:
    return f"new-{blake2b(name.encode(), digest_size=5).hexdigest()}"
