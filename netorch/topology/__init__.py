"""The models of a whole topology file, and their JSON Schema."""
