"""Applies topologies when the machine starts, and watches them, as services of systemd."""
