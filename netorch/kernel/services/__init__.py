"""Speaks to systemd: notifications of a service, units, and the programs that manage them."""
