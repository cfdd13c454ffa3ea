"""Draws the SVG shapes that the picture and its legend share."""

from __future__ import annotations

from xml.etree import ElementTree as ET


def shape(
    parent: ET.Element, kind: str, left: float, top: float, width: float, height: float
) -> None:
    """Draw the shape of a thing, by which its kind is distinguished without colour.

    A network is round, a router has two bars, and the host has a second border.
    """
    rect(parent, "shape", left, top, width, height, corner(kind, height))
    if kind == "host":
        rect(parent, "inner", left + 3, top + 3, width - 6, height - 6, 4.0)
    if kind == "router":
        rect(parent, "bar", left, top + 6, 4.0, height - 12, 2.0)
        rect(parent, "bar", left + width - 4, top + 6, 4.0, height - 12, 2.0)


def corner(kind: str, height: float) -> float:
    """Return the radius of a shape's corners."""
    return min(height / 2, 14.0 if kind == "network" else 5.0)


def rect(
    parent: ET.Element, name: str, x: float, y: float, width: float, height: float, radius: float
) -> None:
    place = {
        "x": number(x),
        "y": number(y),
        "width": number(width),
        "height": number(height),
        "rx": number(radius),
    }
    ET.SubElement(parent, "rect", {"class": name, **place})


def number(value: float) -> str:
    """Return a number with one decimal, because a tenth of a pixel is precise enough."""
    return (
        f"{value:.1f}".removesuffix(".0").replace("-0", "0")
        if abs(value) < 0.05
        else f"{value:.1f}".removesuffix(".0")
    )
