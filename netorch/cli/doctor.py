"""doctor: what this machine can do, and what on it gets in the way."""

from __future__ import annotations

import argparse

from netorch.cli import DONE, FAILED, inputs
from netorch.cli.output import Output
from netorch.render import json


def doctor(options: argparse.Namespace, output: Output) -> int:
    """1 if something would make an apply fail."""
    from netorch.doctor import examine
    from netorch.render import doctor as render

    loaded = inputs.from_file(options.file, options)[0] if options.file is not None else None
    found = examine(loaded)
    if output.json:
        output.result(json.document(**render.document(found)))
    else:
        for line in render.lines(
            found, colour=output.colour, verbose=output.verbose, quiet=output.quiet
        ):
            output.result(line)
    return DONE if found.well else FAILED
