"""The Python interface: operations, topologies, running topologies and their nodes."""
