"""`graph`: draw a topology."""

from __future__ import annotations

import argparse
import sys

from netorch.cli.command import LOOK, Command
from netorch.cli.options import FileOptions, add_file_options
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output
    from netorch.render.graph.picture import Picture
    from netorch.render.graph.scene import Scene
    from netorch.resolve.loaded import Loaded

SUFFIXES = {
    ".dot": "dot",
    ".gv": "dot",
    ".svg": "svg",
    ".png": "png",
    ".drawio": "drawio",
    ".html": "html",
    ".htm": "html",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".md": "mermaid",
    "": "mermaid",
}
"""Suffix of `--to PATH` → the format of the picture, without `-o`."""


class GraphOptions(FileOptions):
    file: str | None
    live: str | None
    """The name of a live topology, empty for the only one, or None to draw a file."""
    to: str | None


def add_options(parser: argparse.ArgumentParser) -> None:
    add_file_options(parser)
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="topology file (default: topo.yaml)"
    )
    parser.add_argument(
        "--live",
        nargs="?",
        const="",
        metavar="NAME",
        help="draw a live topology, with its drift in red (default: the only live topology)",
    )
    parser.add_argument(
        "-o",
        "--output",
        choices=("mermaid", "dot", "svg", "html", "png", "drawio"),
        metavar="FORMAT",
        help="mermaid, dot, svg, html, png or drawio (default: that of PATH's suffix, else "
        "mermaid); all but mermaid and dot need netorch[graph]",
    )
    parser.add_argument(
        "--to", metavar="PATH", help="write the picture to a file instead of standard output"
    )


def run(options: GraphOptions, output: Output) -> int:
    from pathlib import Path

    from netorch.cli import inputs
    from netorch.render.graph.build import build
    from netorch.render.graph.scene import of_file

    if options.live is not None and options.file is not None:
        return output.usage(
            "FILE draws a file, --live a topology in the kernel: leave out one of them"
        )
    suffix = Path(options.to or "").suffix.lower()
    form = options.output or SUFFIXES.get(suffix)
    if form is None:
        return output.usage(
            f"{inputs.printable_name(options.to or '')}: the suffix {suffix} is unknown: "
            "use .svg, .html, .png, .drawio, .dot or .mmd, or select a format with -o"
        )
    if form == "png" and options.to in {None, "-"} and sys.stdout.isatty():
        return output.usage("a terminal does not show png: write it to a file with --to PATH")
    scene = _live(options, output) if options.live is not None else of_file(_load(options))
    output.document(draw(build(scene), form), options.to)
    return DONE


def _load(options: GraphOptions) -> Loaded:
    """Load FILE. If it is the name of a live topology instead, the error suggests --live."""
    from pathlib import Path

    from netorch.cli import inputs
    from netorch.errors import NetorchError, Problem
    from netorch.kernel.files import records

    name = options.file
    if name is not None and name in records.applied_names() and not Path(name).exists():
        raise NetorchError(
            Problem(
                "file-not-found",
                f"there is no file {name!r}: `netorch graph --live {name}` draws the live topology",
                object=name,
                command=f"netorch graph --live {name}",
            )
        )
    return inputs.load_chosen(name, options, live=False, whole=True)[0]


def _live(options: GraphOptions, output: Output) -> Scene:
    """Return the picture of a live topology."""
    from netorch.cli import inputs
    from netorch.converge.orchestrator import Orchestrator
    from netorch.converge.recorded_state import reload
    from netorch.errors import NetorchError
    from netorch.render.graph.scene import of_kernel

    name = inputs.topology_of(options.live or None, options.name, options.set)
    with Orchestrator() as orchestrator:
        entry = orchestrator.look(name)
    output.warn(entry.warnings)
    if not entry.state and not entry.difference:
        raise inputs.not_live(name)
    try:
        loaded = reload(name, entry.record) if entry.record is not None else None
    except NetorchError:
        loaded = None  # because `look` has added a warning already
    return of_kernel(entry, loaded)


def draw(picture: Picture, form: str) -> str | bytes:
    """Return the picture in one of the formats, which is bytes for png."""
    from netorch.render.graph import dot, mermaid

    if form in {"mermaid", "dot"}:
        return "\n".join((mermaid if form == "mermaid" else dot).lines(picture))
    from netorch.render.graph.layout import place

    if form == "svg":
        from netorch.render.graph import svg

        return svg.document(place(picture))
    if form == "png":
        from netorch.render.graph import png

        return png.document(place(picture))
    if form == "drawio":
        from netorch.render.graph import drawio

        return drawio.document(place(picture))
    from netorch.render.graph import html

    return html.document(place(picture))


COMMAND = Command(
    name="graph",
    summary="draw a topology file, or a live topology with its drift",
    group=LOOK,
    examples=(
        ("graph lab.yaml --to lab.svg", "draw the topology"),
        ("graph --live lab --to lab.html", "a page with what is live and its drift"),
    ),
    page="docs/graph.md",
    options=GraphOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.cli.inputs",),
)
