"""Writes namespaces, their settings and files, and WireGuard's peers as commands."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from pathlib import PurePath
from shlex import quote

from netorch.kinds.peer import NO_KEY, Endpoint, subnet_text
from netorch.render.script.context import Commands, Context, with_stdin, words
from netorch.values.marks import ALIAS
from netorch.values.requests import (
    FileDel,
    FileWrite,
    NameAdd,
    NameDel,
    NetnsAdd,
    NetnsDel,
    SysctlSet,
    WireguardPeerDel,
    WireguardPeerSet,
    WireguardSet,
)
from netorch.values.secret import Secret

_DOTTED = str.maketrans("/.", "./")
"""Turns a path into the notation of sysctl(8), in which the dot in eth0.100 is a slash."""


def netns_add(request: NetnsAdd, context: Context) -> Commands:
    label = quote(request.netns)
    marked = (
        [f"ip -n {label} link set dev lo alias {quote(request.alias)}"]
        if context.marks and request.alias
        else []
    )
    settings = (
        [f"ip netns exec {label} sysctl -eqw {_settings(request.sysctls)}"]
        if request.sysctls
        else []
    )
    return [f"ip netns add {label}", *marked, *settings]


def netns_del(request: NetnsDel, context: Context) -> Commands:
    return [f"ip netns delete {quote(request.netns)}"]


def name_add(request: NameAdd, context: Context) -> Commands:
    name, target = quote(f"/run/netns/{request.netns}"), quote(f"/run/netns/{request.target}")
    # `ip netns attach` takes a process ID
    return [f"touch {name}", f"mount --bind {target} {name}"]


def name_del(request: NameDel, context: Context) -> Commands:
    return [f"ip netns delete {quote(request.netns)}"]


def sysctl_set(request: SysctlSet, context: Context) -> Commands:
    # -e ignores paths that the kernel lacks: some of several paths, or all of an optional setting
    option = "-eqw" if request.optional or len(request.paths) > 1 else "-qw"
    return [
        context.inside(
            f"sysctl {option} {_settings((path, request.value) for path in request.paths)}",
            request.netns,
        )
    ]


def file_write(request: FileWrite, context: Context) -> Commands:
    first, _, rest = request.content.partition("\n")
    content = rest if first.startswith(f"# {ALIAS}") and not context.marks else request.content
    folder = f"/etc/netns/{request.netns}"
    return [
        f"mkdir -p {quote(folder)}",
        with_stdin(f"cat >{quote(f'{folder}/{request.name}')}", content),
    ]


def file_del(request: FileDel, context: Context) -> Commands:
    return [f"rm {quote(f'/etc/netns/{request.netns}/{request.name}')}"]


def wireguard_set(request: WireguardSet, context: Context) -> Commands:
    settings = words(
        f"private-key {_key(request.private_key, request.private_key_file, context)}"
        if request.private_key is not None
        else "",
        f"listen-port {request.listen_port}" if request.listen_port is not None else "",
        f"fwmark {request.fwmark:#x}" if request.fwmark is not None else "",
    )
    return (
        [context.inside(f"wg set {quote(request.name)} {settings}", request.netns)]
        if settings
        else []
    )


def wireguard_peer_set(request: WireguardPeerSet, context: Context) -> Commands:
    allowed = None if request.allowed is None else ",".join(map(subnet_text, request.allowed))
    settings = words(
        f"preshared-key {_key(request.preshared_key, request.preshared_key_file, context)}"
        if request.preshared_key is not None
        else "",
        f"endpoint {quote(str(Endpoint.of(request.endpoint)))}"
        if request.endpoint is not None
        else "",
        f"persistent-keepalive {request.keepalive}" if request.keepalive is not None else "",
        f"allowed-ips {quote(allowed)}" if allowed is not None else "",
    )
    peer = f"wg set {quote(request.link)} peer {quote(b64encode(request.public_key).decode())}"
    return [context.inside(words(peer, settings), request.netns)]


def wireguard_peer_del(request: WireguardPeerDel, context: Context) -> Commands:
    peer = f"peer {quote(b64encode(request.public_key).decode())} remove"
    return [context.inside(f"wg set {quote(request.link)} {peer}", request.netns)]


def _settings(pairs: Iterable[tuple[str, str]]) -> str:
    return " ".join(quote(f"{path.translate(_DOTTED)}={value}") for path, value in pairs)


def _key(key: Secret, file: str, context: Context) -> str:
    """Return the file of a key. A command never contains the key itself."""
    if key == NO_KEY:
        return "/dev/null"
    return quote(str(PurePath(context.folder, file))) if file else "KEY_FILE"
