"""Requests to bytes and bytes to records, without I/O."""
