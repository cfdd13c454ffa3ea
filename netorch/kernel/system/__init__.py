"""System calls, sockets, and files below /proc: what every other room of the kernel door uses."""
