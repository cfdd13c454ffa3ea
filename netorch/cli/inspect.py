"""The commands that look and change nothing: list, show, validate."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from netorch.cli import DEFAULT, DONE, FAILED, inputs
from netorch.cli.output import Output
from netorch.errors import FileError, NetorchError, Problem
from netorch.render import json, text

if TYPE_CHECKING:
    from netorch.converge.lab import Lab, Live


def listing(options: argparse.Namespace, output: Output) -> int:
    from netorch.converge.lab import Lab
    from netorch.render import live_table

    with Lab() as lab:
        live = lab.live()
    for entry in live:
        output.warn(entry.warnings)
    if output.json:
        output.result(json.document(topologies=[live_table.row(entry) for entry in live]))
    else:
        for line in live_table.listing(live):
            output.result(line)
    return DONE


def show(options: argparse.Namespace, output: Output) -> int:
    from netorch.converge.lab import Lab
    from netorch.render import live_table, tree

    name = inputs.topology_of(options.target, options)
    with Lab() as lab:
        entry = lab.look(name)
        if options.output == "yaml" and entry.state:
            return _show_as_file(lab, entry, output)
    output.warn(entry.warnings)
    if not entry.state:
        raise NetorchError(Problem("not-live", f"topology {name!r} is not live here", object=name))
    if options.output == "json":
        output.result(json.document(**live_table.row(entry), resources=tree.resources(entry.state)))
    else:
        for line in tree.lines(entry):
            output.result(line)
    return DONE


def _show_as_file(lab: Lab, entry: Live, output: Output) -> int:
    from netorch.converge.compare import named, recorded
    from netorch.render import topology_file

    desired = recorded(entry.name, entry.record)
    state, nameless = named(lab.kernel, entry.state, desired)
    output.warn([*entry.warnings, *nameless, *topology_file.left_out(entry.state)])
    output.result(
        topology_file.topology(entry.name, state, desired.prefix if desired else "", entry.attached)
    )
    return DONE


def validate(options: argparse.Namespace, output: Output) -> int:
    told: list[dict[str, object]] = []
    status = DONE
    for file in options.files or [DEFAULT]:
        try:
            loaded, _ = inputs.from_file(file if options.files else inputs.default(), options)
        except FileError as error:
            status = FAILED
            told.append(
                {
                    "file": file,
                    "valid": False,
                    "problems": json.problems(error.problems, error.file),
                }
            )
            if not output.json:
                output.fail(error)
            continue
        nodes, links = (
            len(loaded.topology.nodes),
            sum(key.kind == "link" and key.name != "lo" for key in loaded.desired.state),
        )
        told.append(
            {"file": file, "valid": True, "topology": loaded.desired.topology, "problems": []}
        )
        if not output.json and not output.quiet:
            size = f"{text.counted(nodes, 'node')} and {text.counted(links, 'interface')}"
            output.result(f"{loaded.file}: ok, topology {loaded.desired.topology} of {size}")
    if output.json:
        output.result(json.document(files=told))
    return status
