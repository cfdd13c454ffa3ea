"""Operations on links beyond plain rtnetlink: NICs of the host, uplinks, tun devices, WireGuard,
bridge timers.
"""
