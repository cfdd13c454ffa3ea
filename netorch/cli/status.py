"""Exit statuses of the command line."""

DONE = 0
"""Done, or in sync."""
FAILED = 1
"""Anything that went wrong."""
DIFFERENT = 2
"""Nothing but «differs»: `diff` found differences, `check` a failure, `explain` no way."""
USAGE = 64
"""Wrong usage: EX_USAGE of sysexits.h. Not argparse's 2, because a job trusts that 2 is a difference."""
INTERRUPTED = 130
"""Interrupted: what a shell says of SIGINT."""
