"""Reads the files of other tools, and machines that were configured by hand, as topology files.

Each format has a module with a function `read`, which returns a `Draft`. `formats.py` finds the
module, and `finish.py` turns the draft into the text of a topology file.
"""
