"""Draws topologies.

`scene` collects the objects to draw, and `build` makes a `Picture` of them, which `dot`, `mermaid`,
`svg` and `html` write.
"""
