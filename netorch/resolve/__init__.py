"""Turn a topology into the desired state, without reading the kernel.

Resolving replaces names by labels and short forms by resources, and fills in every default.
`topology.py` begins it. `desired.py` has the result, which a command can also read from the record
of an apply, without the modules that resolve.
"""
