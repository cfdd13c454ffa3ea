"""Watches topologies: compares them whenever Linux reports a change, and tells what differs."""
