"""What a Python program holds in its hands: operations, topologies, running topologies and their nodes."""
