"""Finds, attaches, opens, makes, removes and enters network namespaces."""
