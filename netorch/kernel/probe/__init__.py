"""Packets that are sent to find out who reaches whom."""
