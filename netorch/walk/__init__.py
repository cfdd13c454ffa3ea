"""Follow a packet from one node to another, hop by hop, and say where it ends and why.

The state that a file asks for and the state that the kernel has are both turned into a `World`;
`path.walk` works on that. Only `live` does I/O.
"""
