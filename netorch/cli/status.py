"""Exit statuses of the command line."""

DONE = 0
"""The command succeeded, or the kernel is in sync."""
FAILED = 1
"""The command failed."""
DIFFERENT = 2
"""`diff`, `apply --dry-run` or `watch --once` found differences, a check failed, a packet does not
arrive, or what `import` loses changes who reaches whom. `Command.status_2` has it for each command.
"""
USAGE = 64
"""Wrong usage: EX_USAGE of sysexits.h, not the 2 of argparse, because 2 means a difference."""
INTERRUPTED = 130
"""Interrupted by a signal. A shell uses this status for SIGINT."""
