"""Commands of ip-address(8)."""

from __future__ import annotations

from netorch.importers.shell_lines.arguments import (
    Arguments,
    IpInterface,
    NotCarriedError,
    address_of,
    full_word,
    names,
)
from netorch.importers.shell_lines.node import Address, Interface, Node

_ACTS = names("add change chg replace delete show lst list flush save showdump restore help")
_WITH_VALUE = frozenset(("broadcast", "brd", "label", "valid_lft", "preferred_lft", "proto"))
_FLAGS = frozenset(("nodad", "optimistic", "home", "mngtmpaddr"))


def address(node: Node, words: Arguments, version: int) -> None:
    act = full_word(words.take(), _ACTS) if words else "show"
    if act in ("add", "change", "chg", "replace"):
        interface, new = _read(node, words)
        add_address(interface, new, replace=act != "add")
    elif act == "delete":
        interface, old = _read(node, words)
        _delete(interface, old)
    elif act == "flush":
        _flush(node, words, version)
    elif act in ("restore", ""):
        raise NotCarriedError("a topology has no word for this command of `ip address`")


def add_address(interface: Interface, new: Address, *, replace: bool = False) -> None:
    """Add an address to an interface. The same address twice counts once."""
    if any(_same(one, new) for one in interface.addresses):
        if not replace:
            raise NotCarriedError("the interface has this address already", matters=False)
        return
    interface.addresses.append(new)


def _read(node: Node, words: Arguments) -> tuple[Interface, Address]:
    device, text, peer, scope = "", "", "", ""
    while words:
        word = words.take()
        if word == "dev":
            device = words.take("interface")
        elif word in ("peer", "remote"):
            peer = words.take("address")
        elif word == "scope":
            scope = words.take("scope")
        elif word == "local":
            text = words.take("address")
        elif word in _WITH_VALUE:
            words.take(word)
        elif word == "noprefixroute":
            raise NotCarriedError("a topology has no word for `noprefixroute`")
        elif word == "metric":
            words.take("metric")
        elif word not in _FLAGS:
            if text:
                raise NotCarriedError(f"a topology has no word for `{word}` of an address")
            text = word
    interface = node.interface(device.partition(":")[0])
    return interface, _address(text, peer, scope)


def _address(text: str, peer: str, scope: str) -> Address:
    if not text:
        raise NotCarriedError("the command is not complete: an address is missing")
    local: IpInterface = address_of(text)
    usual = "host" if local.version == 4 and local.ip.is_loopback else "global"
    if scope and scope not in ("global", "link", "host"):
        raise NotCarriedError(f"a topology has no word for the scope `{scope}`")
    scope = "" if scope == usual or local.version == 6 else scope
    if not peer or address_of(peer).ip == local.ip:
        return Address(local, scope=scope)
    other = address_of(peer)
    return Address(address_of(f"{local.ip}/{other.network.prefixlen}"), str(other.ip), scope)


def _same(one: Address, other: Address) -> bool:
    return one.interface == other.interface and one.peer == other.peer


def _delete(interface: Interface, old: Address) -> None:
    for one in interface.addresses:
        if one.interface.ip == old.interface.ip and (
            one.interface == old.interface or old.interface.network.num_addresses == 1
        ):
            interface.addresses.remove(one)
            return
    raise NotCarriedError("no line before gives the interface this address", matters=False)


def _flush(node: Node, words: Arguments, version: int) -> None:
    name, scope = "", "global"
    while words:
        word = words.take()
        if word == "dev":
            name = words.take("interface")
        elif word == "scope":
            scope = words.take("scope")
        elif word in ("to", "label", "up", "permanent", "dynamic", "primary", "secondary"):
            raise NotCarriedError("netorch reads `ip address flush` of a whole interface only")
        else:
            name = word
    interface = node.interface(name)
    if scope in ("global", "all"):
        flush_addresses(node, interface, version)


def flush_addresses(node: Node, interface: Interface, version: int) -> None:
    """Remove the addresses of an interface, and the routes over it. Version 0 means both."""
    versions = (version,) if version else (4, 6)
    node.lose_routes(interface, *versions)
    interface.addresses = [one for one in interface.addresses if one.version not in versions]
