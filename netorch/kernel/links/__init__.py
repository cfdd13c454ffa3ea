"""What links need beyond plain rtnetlink: NICs of the host, uplinks, tun devices, WireGuard, bridge timers."""
