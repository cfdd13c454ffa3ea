"""The text of a topology file: YAML, ranges, variables, profiles and scalar values.

Reading a file results in a tree in which each value has its position. This room knows neither the
kinds of interfaces nor the kernel.
"""
