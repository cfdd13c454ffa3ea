"""Packet filtering and address translation: a neutral ruleset, and the backends that say it to the kernel."""
