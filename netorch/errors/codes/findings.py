"""Codes of what `netorch doctor` finds beside errors."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
FINDINGS = Area(
    "Found by doctor",
    (
        Code(
            "old-kernel",
            "The kernel is old",
            "netorch uses netlink as of Linux 5.5, and is tested on 6.1 and newer.",
            "Update the system: `apt full-upgrade`.",
        ),
        Code(
            "forward-drops",
            "iptables drops what is forwarded",
            "The policy of the chain FORWARD is to drop, as Docker sets it. netorch puts accepts "
            "for its networks there, and takes them away again.",
            "Nothing is to be done.",
        ),
        Code(
            "firewall-drops",
            "A firewall drops packets of networks",
            "nftables rules of another program, firewalld or ufw drop what they do not know, and "
            "an accept elsewhere does not change that.",
            "Let the bridges through with the command of the finding, as `firewall-cmd "
            "--zone=trusted --add-interface=BRIDGE`.",
        ),
        Code(
            "cannot-see-rules",
            "Rules of others cannot be looked into",
            "The library is missing with which netorch would read the packet filter, so it cannot "
            "let its networks through there.",
            "Install it: `apt install libnftables1`, or `apt install iptables && pip install "
            "'netorch[iptables]'`.",
        ),
        Code(
            "bridged-frames-filtered",
            "Frames within a bridge are filtered",
            "The module br_netfilter hands frames from one port of a bridge to another to the "
            "packet filter, which may drop them.",
            "Turn it off: `sysctl -w net.bridge.bridge-nf-call-iptables=0`.",
        ),
        Code(
            "network-manager",
            "A network manager may take interfaces",
            "NetworkManager or systemd-networkd is running, and its configuration matches the "
            "interfaces that netorch makes on the host.",
            "Have it leave them alone: the command of the finding writes a file that says so.",
        ),
        Code(
            "forwarding-off",
            "The host does not forward",
            "netorch turns forwarding on for networks that lead out, and back when they are "
            "destroyed.",
            "Nothing is to be done.",
        ),
        Code(
            "namespace-limit",
            "Too few network namespaces are allowed",
            "The file makes more namespaces than each user may have.",
            "Raise it: `sysctl -w user.max_net_namespaces=NUMBER`.",
        ),
        Code(
            "neighbour-limit",
            "The table of neighbours is small",
            "All namespaces share one table of neighbours for each IP version. When it is full, "
            "nodes do not find one another.",
            "Raise it: `sysctl -w net.ipv4.neigh.default.gc_thresh3=NUMBER`.",
        ),
        Code(
            "strict-reverse-path",
            "Reverse path filters are strict",
            "New namespaces have a strict `rp_filter`. Nodes that packets reach by two ways drop "
            "what comes by the other one.",
            "Run `sysctl -w net.ipv4.conf.all.rp_filter=2`, or say it as `sysctls` of the nodes.",
        ),
        Code(
            "plan-warning",
            "A plan has a warning",
            "The file can be applied, and a person should know what the warning says.",
            "Read the warning: nothing has failed.",
        ),
    ),
)
