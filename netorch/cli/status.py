"""Exit statuses of the command line."""

DONE = 0
"""The command succeeded, or the kernel is in sync."""
FAILED = 1
"""The command failed."""
DIFFERENT = 2
"""`diff` found differences, a check failed, or `explain` followed a packet that does not arrive."""
USAGE = 64
"""Wrong usage: EX_USAGE of sysexits.h, not the 2 of argparse, because 2 means a difference."""
INTERRUPTED = 130
"""Interrupted by a signal. A shell uses this status for SIGINT."""
