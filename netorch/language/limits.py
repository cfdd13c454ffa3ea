"""Limits of the kernel that hold for every kind of interface."""

IFNAMSIZ = 15
"""The largest number of bytes of an interface name (linux/if.h, without the NUL)."""
LARGEST_MTU = 2**31 - 1
"""The largest MTU of a link whose driver has no limit (dev_validate_mtu in net/core/dev.c)."""
