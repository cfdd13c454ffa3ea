"""Encode requests to netlink messages, and decode netlink messages to records. No I/O."""
