"""Packet filters in the words of nftables and of iptables, and what either lists, without I/O."""
