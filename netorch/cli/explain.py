"""A topology in the words of other tools."""

from __future__ import annotations

import argparse

from netorch.cli import DONE, inputs
from netorch.cli.output import Output
from netorch.render import json


def script(options: argparse.Namespace, output: Output) -> int:
    """The commands that make a file's topology, as a shell script. It looks at no kernel."""
    from netorch.render.script import topology

    options.file = options.words[0] if options.words else None
    loaded, _ = inputs.chosen(
        options,
        live=True,
        hint=f"The way of a packet has two ends: netorch explain {options.file} B",
    )
    if output.json:
        found = topology.sections(loaded.desired, marks=options.marks)
        told = [
            {"section": section.title, "command": command}
            for section in found
            for command in section.commands
        ]
        output.result(
            json.document(topology=loaded.desired.topology, marks=options.marks, commands=told)
        )
    else:
        for line in topology.lines(loaded.desired, loaded.file, marks=options.marks):
            output.result(line)
    return DONE
