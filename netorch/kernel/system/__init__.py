"""System calls, sockets, and files below /proc, which all other parts of netorch.kernel use."""
