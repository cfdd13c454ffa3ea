"""`validate`: check topology files without touching the kernel."""

from __future__ import annotations

import argparse

from netorch.cli import DEFAULT
from netorch.cli.command import FILES, Command
from netorch.cli.options import FileOptions, add_file_options, add_output_option
from netorch.cli.status import DONE, FAILED

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Iterator

    from netorch.cli.output import Output
    from netorch.resolve.loaded import Loaded


class ValidateOptions(FileOptions):
    files: list[str]
    strict: bool


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser)
    add_file_options(parser)
    parser.add_argument("--strict", action="store_true", help="fail if there are warnings")
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="topology files (default: topo.yaml)"
    )


def run(options: ValidateOptions, output: Output) -> int:
    from netorch.cli import inputs
    from netorch.errors import FileError
    from netorch.render import json, text

    rows: list[dict[str, object]] = []
    status = DONE
    for file in options.files or [DEFAULT]:
        try:
            name = file if options.files else inputs.default_file()
            loaded, _ = inputs.from_file(name, options, options.files, whole=True)
        except FileError as error:
            status = FAILED
            problems = json.problems(error.problems, error.file)
            rows.append({"file": file, "valid": False, "problems": problems, "warnings": []})
            if not output.json:
                output.fail(error)
            continue
        name = loaded.desired.topology
        warnings = list(loaded.warning_lines)
        output.warn(warnings)
        if warnings and options.strict:
            status = FAILED
        rows.append(
            {
                "file": file,
                "valid": True,
                "topology": name,
                "problems": [],
                "warnings": warnings,
                **_machine_rows(loaded),
            }
        )
        if not output.json and not output.quiet:
            nodes = text.count_text(len(loaded.desired.labels), "node")
            links = sum(key.kind == "link" and key.name != "lo" for key in loaded.desired.state)
            size = f"{nodes} and {text.count_text(links, 'interface')}"
            output.result(f"{loaded.file}: ok, topology {name} with {size}")
            for line in _machine_lines(loaded):
                output.result(line)
    if output.json:
        output.result(json.document(files=rows))
    return status


def _machine_rows(loaded: Loaded) -> dict[str, object]:
    """Return what each machine has, for a JSON document. Empty for a file without `hosts`."""
    if loaded.desired.machines is None:
        return {}
    from netorch.resolve.per_machine import shares

    rows = [
        {
            "machine": share.machine,
            "address": str(share.address),
            "nodes": share.nodes,
            "interfaces": share.interfaces,
            "tunnels": share.tunnels,
            "neighbours": share.neighbours,
        }
        for share in shares(loaded.desired)
    ]
    return {"machines": rows}


def _machine_lines(loaded: Loaded) -> Iterator[str]:
    """Yield a line for each machine. A file without `hosts` has none."""
    if loaded.desired.machines is None:
        return
    from netorch.render.text import count_text
    from netorch.resolve.per_machine import shares

    for share in shares(loaded.desired):
        size = f"{count_text(share.nodes, 'node')} and {count_text(share.interfaces, 'interface')}"
        tunnels = count_text(share.tunnels, "tunnel")
        where = count_text(share.neighbours, "machine")
        crosses = f", {tunnels} to {where}" if share.tunnels else ", no tunnels"
        yield f"  {share.machine} ({share.address}): {size}{crosses}"


COMMAND = Command(
    name="validate",
    summary="check topology files without touching the kernel",
    group=FILES,
    examples=(
        ("validate lab.yaml", "report all errors of a file"),
        ("validate --strict *.yaml", "fail if there are warnings"),
    ),
    page="docs/language.md",
    options=ValidateOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.cli.inputs",),
)
