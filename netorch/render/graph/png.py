"""Draws a picture with its layout as PNG, in the light colours."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from netorch.errors import NetorchError, Problem
from netorch.render.graph import svg
from netorch.render.graph.placement import Placed

try:
    import resvg_py
except ImportError:
    _COMMAND = "pip install 'netorch[graph]'"
    raise NetorchError(
        Problem(
            "no-resvg",
            "png needs the library resvg-py, which is not installed: "
            f"run `{_COMMAND}`, or use -o svg",
            object="resvg-py",
            command=_COMMAND,
        )
    ) from None

MOST_PIXELS = 60_000_000
"""The most pixels of a picture, because each needs four bytes."""
_FONTS = "apt install fonts-dejavu-core"
_FAMILIES = (
    "DejaVu Sans",
    "Liberation Sans",
    "Noto Sans",
    "Ubuntu",
    "Cantarell",
    "Roboto",
    "Open Sans",
    "Nimbus Sans",
    "FreeSans",
    "Arial",
)
"""Fonts of which a machine has at least one, because resvg has no font for `sans-serif`."""


def document(placed: Placed) -> bytes:
    """Return a whole file, in which a pixel of the layout is two pixels."""
    nothing = _pixels("", _FAMILIES[0])
    family = next((name for name in _FAMILIES if _pixels("netorch", name) != nothing), None)
    if family is None:
        raise NetorchError(
            Problem(
                "no-fonts",
                "png needs a font such as DejaVu Sans, and this machine has none that is known: "
                f"run `{_FONTS}`, or use -o svg, which takes the fonts of its reader",
                command=_FONTS,
            )
        )
    text = svg.document(placed, both=False)
    width, height = (float(ET.fromstring(text).get(key, "1")) for key in ("width", "height"))
    scale = min(2.0, (MOST_PIXELS / (width * height)) ** 0.5)
    return bytes(resvg_py.svg_to_bytes(svg_string=text, zoom=scale, sans_serif_family=family))


def _pixels(text: str, family: str) -> bytes:
    """Return a small picture with a text in a font, or without a text if there is no such font."""
    root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "width": "60", "height": "12"})
    ET.SubElement(root, "text", {"y": "10", "font-family": family}).text = text
    return bytes(resvg_py.svg_to_bytes(svg_string=ET.tostring(root, encoding="unicode")))
