"""netorch: declare a network in one YAML file, and the Linux kernel has it."""

__version__ = "0.1.0"
