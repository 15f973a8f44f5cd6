"""Pictures of rectangles and text, written by hand as SVG: no plotting library, no font, no background.

Text stays text, in the reader's own font, and the same picture has the same bytes each time.
"""

from __future__ import annotations

from fractions import Fraction
from xml.etree import ElementTree as ET

_FONT = "Inter, system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"


def page(width: int, height: int, title: str, description: str, *, ink: str) -> ET.Element:
    """Return an empty picture of so many pixels, with what it says to who cannot see it."""
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": str(width),
            "height": str(height),
            "viewBox": f"0 0 {width} {height}",
            "role": "img",
            "font-family": _FONT,
            "fill": ink,
        },
    )
    ET.SubElement(svg, "title").text = title
    ET.SubElement(svg, "desc").text = description
    return svg


def written(svg: ET.Element) -> str:
    """Return a picture as the text of a file."""
    ET.indent(svg, " ")
    return ET.tostring(svg, encoding="unicode") + "\n"


def text(
    parent: ET.Element,
    x: float,
    y: float,
    words: str,
    *,
    size: float,
    weight: int = 400,
    fill: str | None = None,
    anchor: str = "start",
) -> None:
    """Write words at a place, in pixels."""
    made = ET.SubElement(parent, "text", {"x": shortened(x), "y": shortened(y), "font-size": shortened(size)})
    if weight != 400:
        made.set("font-weight", str(weight))
    if fill is not None:
        made.set("fill", fill)
    if anchor != "start":
        made.set("text-anchor", anchor)
    made.text = words


def rect(
    parent: ET.Element, x: float, y: float, width: float, height: float, *, fill: str, rx: float = 0
) -> ET.Element:
    """Draw a rectangle, in pixels, and return it."""
    numbers = {"x": x, "y": y, "width": width, "height": height, **({"rx": rx} if rx else {})}
    return ET.SubElement(parent, "rect", {**{name: shortened(value) for name, value in numbers.items()}, "fill": fill})


def shortened(value: float) -> str:
    """Write a number of pixels: two places are more than a screen shows."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def dollars(amount: Fraction) -> str:
    """Write an amount as a reader expects it: whole dollars, or millions."""
    return f"${float(amount) / 1e6:,.1f}M" if amount >= 1_000_000 else f"${round(amount):,}"
