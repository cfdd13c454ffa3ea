"""Reads facts about this machine without changing it."""
