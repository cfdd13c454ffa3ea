"""The version of netorch."""

__version__ = "0.1.0"
