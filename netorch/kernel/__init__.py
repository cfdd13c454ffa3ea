"""The door to the kernel."""

MANY = 100
"""Namespaces from which on a second process that reads is worth its start."""
