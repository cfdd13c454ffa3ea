"""Writes values as text, JSON, pictures, scripts and topology files."""
