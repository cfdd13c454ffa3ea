"""The packet filters of the kernel: nftables, iptables and connection tracking."""
