"""Tries the `checks` of a topology file with packets."""
