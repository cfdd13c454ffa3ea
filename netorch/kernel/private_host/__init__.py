"""Private hosts: throwaway copies of the machine for tests and programs."""
