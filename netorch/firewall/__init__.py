"""The syntax of nftables and iptables: write rules, and read listings. Does no I/O."""
