"""Processes in namespaces: found, ended, started and entered."""
