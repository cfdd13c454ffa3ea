"""Finds, ends and starts processes in namespaces, and replaces this process by a command there."""
