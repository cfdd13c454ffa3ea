"""Codes for the findings of `netorch doctor` that are not errors."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
FINDINGS = Area(
    "Findings of doctor",
    (
        Code(
            "old-kernel",
            "The kernel is old",
            "netorch needs the netlink of Linux 5.5 or newer, and is tested on 6.1 and newer.",
            "Update the system: `apt full-upgrade`.",
        ),
        Code(
            "forward-drops",
            "iptables drops forwarded packets",
            "The policy of the chain FORWARD is DROP, which Docker sets. netorch adds rules there "
            "that accept the packets of its networks, and removes them with the networks.",
            "You need not do anything.",
        ),
        Code(
            "firewall-drops",
            "A firewall drops packets of networks",
            "The nftables rules of firewalld, ufw or another program drop packets that they do not "
            "explicitly accept, and a rule of netorch that accepts them does not change that.",
            "Allow the bridges with the command that the finding shows, such as `firewall-cmd "
            "--zone=trusted --add-interface=BRIDGE`.",
        ),
        Code(
            "cannot-see-rules",
            "Packet filter rules of other programs cannot be read",
            "The library with which netorch reads the packet filter is missing, so netorch cannot "
            "add rules there that accept the packets of its networks.",
            "Install it: `apt install libnftables1`, or `apt install iptables && pip install "
            "'netorch[iptables]'`.",
        ),
        Code(
            "bridged-frames-filtered",
            "Frames within a bridge are filtered",
            "The module br_netfilter passes frames between two ports of a bridge through the "
            "packet filter, which may drop them.",
            "Turn it off: `sysctl -w net.bridge.bridge-nf-call-iptables=0`.",
        ),
        Code(
            "network-manager",
            "A network manager may take over interfaces of netorch",
            "NetworkManager or systemd-networkd is running, and its configuration matches the "
            "interfaces that netorch makes on the host.",
            "Run the command that the finding shows: it writes a configuration file that excludes "
            "these interfaces.",
        ),
        Code(
            "forwarding-off",
            "The host does not forward",
            "netorch turns forwarding on when it makes a network that routes through the host, and "
            "restores it when the network is destroyed.",
            "You need not do anything.",
        ),
        Code(
            "strict-reverse-path",
            "Reverse path filters are strict",
            "New namespaces have a strict `rp_filter`. A node drops a packet that arrives on an "
            "interface other than the one to which its reply would be routed.",
            "Run `sysctl -w net.ipv4.conf.all.rp_filter=2`, or set it in the `sysctls` of the "
            "nodes.",
        ),
        Code(
            "plan-warning",
            "A plan has a warning",
            "The file can be applied, but has an effect that you should know about.",
            "Read the warning. Nothing has failed.",
        ),
    ),
)
