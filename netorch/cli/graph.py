"""The command `graph`: pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from netorch.cli import DONE, inputs
from netorch.cli.output import Output
from netorch.errors import NetorchError, Problem
from netorch.kernel.files import records

if TYPE_CHECKING:
    from netorch.render.graph.picture import Picture
    from netorch.render.graph.scene import Scene
    from netorch.resolve.loader import Loaded

SUFFIXES = {
    ".dot": "dot",
    ".gv": "dot",
    ".svg": "svg",
    ".html": "html",
    ".htm": "html",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".md": "mermaid",
    "": "mermaid",
}
"""Of `--to PATH`, where no form is said."""


def graph(options: argparse.Namespace, output: Output) -> int:
    from netorch.render.graph.build import build
    from netorch.render.graph.scene import of_file

    if options.live is not None and options.file is not None:
        return output.usage(
            "a FILE is drawn without a look at the kernel, --live what is there: say one of the two"
        )
    suffix = Path(options.to or "").suffix.lower()
    form = options.output or SUFFIXES.get(suffix)
    if form is None:
        return output.usage(
            f"{inputs.shown(options.to)}: no form has the suffix {suffix}: take .svg, .html, .dot or .mmd, or say it with -o"
        )
    scene = _live(options, output) if options.live is not None else of_file(_file(options))
    text = drawn(build(scene), form)
    if options.to is None or options.to == "-":
        output.result(text)
    else:
        inputs.write(options.to, text + "\n")
        output.note(f"{inputs.shown(options.to)}: written")
    return DONE


def _file(options: argparse.Namespace) -> Loaded:
    """FILE; who gives the name of a live topology in its place is told of --live."""
    name = options.file
    if name in records.applied_names() and not Path(name).exists():
        raise NetorchError(
            Problem(
                "file-not-found",
                f"there is no file {name!r}; `netorch graph --live {name}` draws the topology that is live here",
                object=name,
                command=f"netorch graph --live {name}",
            )
        )
    return inputs.chosen(options, live=False)[0]


def _live(options: argparse.Namespace, output: Output) -> Scene:
    from netorch.converge.compare import reload
    from netorch.converge.lab import Lab
    from netorch.render.graph.scene import of_kernel

    name = inputs.topology_of(options.live or None, options)
    with Lab() as lab:
        entry = lab.look(name)
    output.warn(entry.warnings)
    if not entry.state and not entry.difference:
        raise NetorchError(Problem("not-live", f"topology {name!r} is not live here", object=name))
    try:
        loaded = reload(name, entry.record) if entry.record is not None else None
    except NetorchError:
        loaded = None  # look has warned of it
    return of_kernel(entry, loaded)


def drawn(picture: Picture, form: str) -> str:
    """The picture in one of the four forms."""
    from netorch.render.graph import dot, mermaid

    if form in {"mermaid", "dot"}:
        return "\n".join((mermaid if form == "mermaid" else dot).lines(picture))
    from netorch.render.graph.layout import place

    if form == "svg":
        from netorch.render.graph import svg

        return svg.document(place(picture))
    from netorch.render.graph import html

    return html.document(place(picture))
