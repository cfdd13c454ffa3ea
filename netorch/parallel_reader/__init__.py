"""A second process that reads namespaces while the command line still loads its file. It is there
only for speed.

`guess` says which topology a command line is about, `reader` has the side of each process, `child`
the process, `claims` who reads which namespace, and `messages` what the two send each other. The
rest of the program knows none of it: `begin` gives the command line a `ParallelReader`, which it
hands to its `Lab`. Without one everything works the same.
"""

from netorch.parallel_reader.guess import begin

__all__ = ["begin"]
