"""The limits of a topology file, which keep netorch from using up the memory of the machine."""

MAX_BYTES = 10_000_000
MAX_VALUES = 1_000_000
MAX_DEPTH = 64
"""The largest number of mappings and lists that contain one another."""
MAX_PROBLEMS = 1000
"""The number of errors after which netorch stops reading a file."""
