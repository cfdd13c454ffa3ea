"""Packet filters of the kernel: nftables, iptables and conntrack."""
