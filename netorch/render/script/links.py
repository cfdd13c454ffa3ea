"""Writes links as commands of ip-link(8)."""

from __future__ import annotations

from shlex import quote

from netorch.immutable import replace
from netorch.netlink import constants as c
from netorch.render.script.context import Commands, Context, words
from netorch.render.script.kinds import data_words, default_attributes, primary_word
from netorch.state.key import HOST
from netorch.values.digest import blake2b
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
    label, parent = request.parent or (request.birthplace or request.netns, "")
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
        _attributes(request.attrs, replace(context, new_kind=request.kind)),
        f"type {request.kind}",
        f"dev {quote(parent)}" if parent and request.parent_in else "",
        data_words(request.kind, request.data, new=True),
    )
    if name == request.name:
        return [command]
    return [
        command,
        f"{context.tool('ip', request.netns)} link set dev {name} name {quote(request.name)}",
    ]


def link_set(request: LinkSet, context: Context) -> Commands:
    settings = [_attributes(request.attrs, context)]
    if request.master is not None:
        settings.append(f"master {quote(request.master)}" if request.master else "nomaster")
    if request.up is not None:
        settings.append("up" if request.up else "down")
    flags = {
        "arp": request.arp,
        "multicast": request.multicast,
        "promisc": request.promisc,
        "allmulticast": request.allmulti,
    }
    settings += [f"{word} {'on' if on else 'off'}" for word, on in flags.items() if on is not None]
    primary = request.links if request.kind == "bond" else ()
    if request.kind is not None and (request.data or (request.links and not primary)):
        parents = (f"dev {quote(link)}" for _, link in request.links if not primary)
        settings.append(
            words(
                f"type {request.kind}",
                *parents,
                data_words(request.kind, request.data, new=False),
            )
        )
    commands = (
        [_set(request.netns, request.name, words(*settings), context)] if any(settings) else []
    )
    for number, link in primary:
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
            # through sysfs, because ip-link cannot remove the primary port
            file = quote(f"/sys/class/net/{request.name}/bonding/{word}")
            commands.append(context.inside(f"sh -c {quote(f'echo >{file}')}", request.netns))
    return commands


def link_del(request: LinkDel, context: Context) -> Commands:
    return [f"{context.tool('ip', request.netns)} link delete dev {quote(request.name)}"]


def altname_add(request: AltnameAdd, context: Context) -> Commands:
    return [_altname(request, "add", context)]


def altname_del(request: AltnameDel, context: Context) -> Commands:
    return [_altname(request, "del", context)]


def _altname(request: AltnameAdd | AltnameDel, act: str, context: Context) -> str:
    ip, link = context.tool("ip", request.netns), quote(request.link)
    return f"{ip} link property {act} dev {link} altname {quote(request.altname)}"


def tun_add(request: TunAdd, context: Context) -> Commands:
    mode = "tap" if request.tap else "tun"
    command = words(
        context.tool("ip", request.netns),
        f"tuntap add dev {quote(request.name)} mode {mode}",
        "multi_queue" if request.multi_queue else "",
        *_owners(("user", "group"), request),
    )
    settings = _attributes(request.attrs, replace(context, new_kind=mode))
    return [command, *([_set(request.netns, request.name, settings, context)] if settings else [])]


def tun_set(request: TunSet, context: Context) -> Commands:
    # tunctl (uml-utilities), because ip-tuntap cannot change an existing interface
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
    settings = _attributes(request.attrs, context)
    return [
        *commands,
        *([_set(request.netns, request.name, settings, context)] if settings else []),
    ]


def nic_give(request: NicGive, context: Context) -> Commands:
    renamed = f" name {quote(request.origin)}" if request.name != request.origin else ""
    ip, name = context.tool("ip", request.netns), quote(request.name)
    back = [f"{ip} link set dev {name} netns {context.netns(HOST)}{renamed}"]
    if request.netns == HOST:
        back = [f"ip link set dev {name} down{renamed}"] if renamed else []
    return [*back, f"ip link set dev {quote(request.origin)} alias ''"]


def _set(label: str, name: str, settings: str, context: Context) -> str:
    return f"{context.tool('ip', label)} link set dev {quote(name)} {settings}"


def _pair(request: LinkAdd, peer: PeerSettings, context: Context) -> str:
    """Return the command that makes a veth pair.

    If one end is on the host, the command runs there, because the host's namespace has no name that
    a command in the other namespace could use.
    """
    near = (request.netns, request.name, request.attrs)
    far = (peer.netns, peer.name, peer.attrs)
    if peer.netns == HOST:
        near, far = far, near
    new = replace(context, new_kind=request.kind)
    return words(
        context.tool("ip", near[0]),
        f"link add name {quote(near[1])}",
        _attributes(near[2], new),
        f"type {request.kind} peer name {quote(far[1])}",
        f"netns {context.netns(far[0])}" if far[0] != near[0] else "",
        _attributes(far[2], new),
    )


def _attributes(attrs: Attrs, context: Context) -> str:
    """Return words such as `mtu 9000 address 02:…`.

    The defaults of a new link are left out, and marks if the context has none.
    """
    return words(
        *(
            _attribute(number, payload, context)
            for number, payload in attrs
            if not _is_default(number, payload, context)
        )
    )


def _is_default(number: int, payload: bytes, context: Context) -> bool:
    return (number, int.from_bytes(payload, "little")) in set(default_attributes(context.new_kind))


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
    return [f"{option} {quote(str(user))}" for option, user in pairs if user is not None]


def _is_taken(context: Context, label: str, name: str) -> bool:
    """Whether the parent's namespace has, or may have, a link of that name.

    Kernels before 6.15 then refuse the new link, although it belongs to another namespace.
    """
    return label not in context.own_namespaces or (label, name) in context.own_links


def _temporary(name: str) -> str:
    return f"new-{blake2b(name.encode(), digest_size=5).hexdigest()}"
