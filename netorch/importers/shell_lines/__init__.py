"""Reads the shell lines that configure one node, as what they declare.

This is the inverse of `netorch explain`. `commands.py` splits a text into commands, `reader.py`
has the table of the programs that netorch understands, `node.py` has what the lines have declared
so far, and `write.py` puts that into a draft. A line that is not understood is a loss, with the
reason.
"""
