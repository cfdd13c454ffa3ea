"""The way of a packet from one node to another, hop by hop: where it ends, and why. Pure, but for `live`.

Both what a file asks for and what the kernel has are turned into one value, a `World`, over which `path.walk` goes.
"""
