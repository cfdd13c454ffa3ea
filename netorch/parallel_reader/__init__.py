"""A second process that reads namespaces beside the first one, also while that loads its file.

It only makes commands faster. `guess` chooses the topology that it reads, `reader` has the work of
both processes, `child` manages the second process, `claims` divides the namespaces between the two,
and `messages` encodes what they send each other.

`begin` and `begin_later` return a `ParallelReader`, which the command line passes to its
`Orchestrator`. The rest of netorch does not depend on it: without a parallel reader everything
works the same.
"""

from netorch.parallel_reader.guess import begin, begin_later

__all__ = ["begin", "begin_later"]
