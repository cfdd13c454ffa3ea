"""Captures packets of nodes, and encodes them as pcapng."""
