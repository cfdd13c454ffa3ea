"""Private hosts: machines of their own for tests and programs."""
