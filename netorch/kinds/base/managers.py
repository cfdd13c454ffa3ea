"""Programs that make interfaces of their own on a host, by the names that they give to these."""

from __future__ import annotations

import re
from collections.abc import Collection

from netorch.netlink.constants import RTPROT_BOOT, RTPROT_STATIC, RTPROT_UNSPEC
from netorch.state.key import HOST
from netorch.values.marks import PROTOCOLS

BY_HAND = frozenset((RTPROT_UNSPEC, RTPROT_BOOT, RTPROT_STATIC))
"""The protocol numbers of what a user adds."""

_PATTERNS = (
    ("Docker", r"docker0|docker_gwbridge|br-[0-9a-f]{12}"),
    ("a container engine", r"veth[0-9a-f]{6,8}|podman\d+|cni\d+|cni-podman\d+|nerdctl\d+"),
    ("libvirt", r"virbr\d+(-nic)?|vnet\d+"),
    ("LXC, LXD or Incus", r"(lxc|lxd|incus)br\d+"),
    ("a network of Kubernetes", r"(cali|lxc|cilium_|flannel|kube-)[\w.-]*"),
)
_MANAGERS = tuple((who, re.compile(pattern)) for who, pattern in _PATTERNS)


def manager_of(name: str) -> str:
    """Return the program that gives an interface on a host a name like this, or "".

    Such a program has no mark in the kernel, and expects that nobody else changes its interfaces.
    """
    return next((who for who, pattern in _MANAGERS if pattern.fullmatch(name)), "")


def reason_to_leave(
    netns: str, link: str, protocol: int, own: int, by_hand: Collection[int] = BY_HAND
) -> str:
    """Return why a topology does not take over an object, as a clause, or "" if it may.

    `link` is the interface that the object is on, "" if it is on none. `protocol` is the number of
    the program that has added it, `own` that of the topology, and `by_hand` those of users.
    """
    if netns == HOST and link and (who := manager_of(link)):
        return f"the name of its interface is one that {who} gives, which manages it"
    # a number of netorch with no topology on record is from a release, because Linux 6.1 keeps it
    if protocol not in by_hand and protocol != own and protocol not in PROTOCOLS:
        return f"a program manages it (protocol {protocol})"
    return ""
