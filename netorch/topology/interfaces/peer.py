"""The keys of a peer of a WireGuard interface, and the checks of their texts."""

import re
from base64 import b64decode, b64encode
from ipaddress import ip_address
from typing import Annotated

from netorch.kinds.peer import KEY_SIZE, Endpoint, Peer, WireguardKey, sort_subnets
from netorch.language.model import Before, Field, Model, Plain
from netorch.language.scalars import Subnet, empty_list, integer, one_or_many, wrong
from netorch.language.schema_shapes import IPV4, IPV6, PORT, accepts, text


@accepts(
    text(
        "(?!A{43}=$)[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=",
        "public key as `wg pubkey` prints it: 44 letters that end in =",
    )
)
def key_text(value: object) -> str:
    """Check a public key as `wg pubkey` prints it."""
    text = str(value)
    try:
        key = b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_SIZE or b64encode(key).decode() != text:
        wrong(
            f"{text!r} is not a public key: `wg pubkey` prints one, 44 letters that end in =",
            "bad-wireguard-key",
        )
    if not any(key):
        wrong("a public key of zeros does not belong to any peer", "bad-wireguard-key")
    return text


@accepts(
    text(
        rf"(?:{IPV4}|\[{IPV6}\]):{PORT}",
        "endpoint such as 192.0.2.1:51820 or [2001:db8::1]:51820",
        "192.0.2.1:51820",
    )
)
def address_and_port(value: object) -> Endpoint:
    """Parse an address with a port.

    Host names are not looked up, because the meaning of a file would change with the answers.
    """
    text = str(value)
    address, colon, port = text.rpartition(":")
    bracketed = address.startswith("[") and address.endswith("]")
    try:
        ip = ip_address(address[1:-1] if bracketed else address)
    except ValueError:
        wrong(
            f"{text!r} is not an endpoint such as 192.0.2.1:51820 or [2001:db8::1]:51820:"
            " write an address, because netorch does not look up host names",
            "bad-address",
        )
    if (ip.version == 6) != bracketed or not colon or "%" in address:
        wrong(
            f"{text!r} is not an endpoint such as 192.0.2.1:51820 or [2001:db8::1]:51820",
            "bad-address",
        )
    if ip.is_unspecified or ip.is_multicast:
        wrong(f"{text!r}: {ip} is not the address of a host", "bad-address")
    return Endpoint(str(ip), integer(1, 65535)(port))


@accepts(
    text(
        r"(?![A-Za-z0-9+/]{40,44}={0,2}$)(?:[^$\x00-\x1f\x7f]|\$\$)*[^/\x00-\x1f\x7f]",
        "path of a file with a key",
        "wireguard/private.key",
    )
)
def key_file(value: object) -> str:
    """Check the path of a file with a key."""
    if not isinstance(value, str) or not value or not value.isprintable() or value.endswith("/"):
        wrong("this is not a path of a key file", "bad-wireguard-key")
    if re.fullmatch(r"[A-Za-z0-9+/]{40,44}={0,2}", value):
        wrong(
            "this looks like a key itself: write the key into a file, "
            "and the path of that file here",
            "bad-wireguard-key",
        )
    return value


KeyPath = Annotated[str, Before(key_file)]
PublicKey = Annotated[str, Before(key_text)]


class PeerModel(Model):
    """A peer of a WireGuard interface."""

    public_key: PublicKey = Field(description="Public key of the peer, as `wg pubkey` prints it.")
    endpoint: Annotated[Endpoint, Plain(address_and_port)] | None = Field(
        None,
        description="Address and port at which the peer is reached first, `ADDRESS:PORT` (the"
        " source of its packets).",
    )
    allowed_ips: Annotated[list[Subnet], Before(one_or_many)] = Field(
        default_factory=empty_list,
        description="Destinations of the packets that go to the peer, and the sources that it may"
        " use. netorch makes no routes for them.",
    )
    keepalive: Annotated[int, Before(integer(0, 65535))] = Field(
        0,
        description="Seconds without traffic after which the interface sends a packet to the peer"
        " (0, never).",
    )
    preshared_key_file: KeyPath | None = Field(
        None, description="File with a second, secret key that both ends share (none)."
    )

    def peer(self, netns: str, link: str) -> Peer:
        return Peer(
            netns,
            link,
            self.public_key,
            None if self.preshared_key_file is None else WireguardKey(self.preshared_key_file),
            self.endpoint,
            sort_subnets(
                (subnet.network_address.packed, subnet.prefixlen) for subnet in self.allowed_ips
            ),
            self.keepalive,
        )
