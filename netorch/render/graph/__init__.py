"""Draws topologies.

`scene` collects the objects to draw, and `build` makes a `Picture` of them, which `dot` and
`mermaid` write. `layout` gives it positions, and `svg`, `html`, `png` and `drawio` write that.
"""
