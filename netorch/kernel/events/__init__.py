"""Receives the notifications of Linux: what changes in network namespaces, and files of netorch."""
