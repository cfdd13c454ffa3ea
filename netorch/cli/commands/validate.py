"""`validate`: check topology files without touching the kernel."""

from __future__ import annotations

import argparse

from netorch.cli import DEFAULT
from netorch.cli.command import FILES, Command
from netorch.cli.options import FileOptions, add_file_options, add_output_option
from netorch.cli.status import DONE, FAILED

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from netorch.cli.output import Output
    from netorch.errors import Problem
    from netorch.resolve.loaded import Loaded


class ValidateOptions(FileOptions):
    files: list[str]
    strict: bool


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(
        parser,
        ("text", "json", "github", "gitlab"),
        "output format (default: text); github: annotations for a job, gitlab: a Code Quality "
        "report",
    )
    add_file_options(parser)
    parser.add_argument("--strict", action="store_true", help="fail if there are warnings")
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="topology files (default: topo.yaml)"
    )


def run(options: ValidateOptions, output: Output) -> int:
    from netorch.cli import inputs
    from netorch.errors import FileError, listing
    from netorch.render import text

    rows: list[dict[str, object]] = []
    verdicts: list[tuple[str, Sequence[Problem], Sequence[Problem]]] = []
    status = DONE
    for file in options.files or [DEFAULT]:
        try:
            name = file if options.files else inputs.default_file()
            loaded, _ = inputs.from_file(name, options, options.files, whole=True)
        except FileError as error:
            from netorch.render import json

            status = FAILED
            problems = json.problems(error.problems, error.file)
            rows.append({"file": file, "valid": False, "problems": problems, "warnings": []})
            verdicts.append((error.file, error.problems, ()))
            if output.form == "text":
                output.fail(error)
            elif not output.json:
                output.say(error)
            continue
        name = loaded.desired.topology
        warnings = list(loaded.warning_lines)
        verdicts.append((loaded.file, (), loaded.warnings))
        if output.form != "github":
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
                **_chosen_rows(loaded),
                **_machine_rows(loaded),
            }
        )
        if not output.json and not output.quiet:
            nodes = text.count_text(len(loaded.desired.labels), "node")
            links = sum(key.kind == "link" and key.name != "lo" for key in loaded.desired.state)
            size = f"{nodes} and {text.count_text(links, 'interface')}"
            put = output.note if output.form == "gitlab" else output.result
            put(f"{loaded.file}: ok, topology {name} with {size}")
            for network, subnets in loaded.desired.chosen.items():
                put(f"  network {network}: {listing(subnets)}, chosen by netorch")
            for node, ports in loaded.desired.chosen_ports.items():
                put(f"  node {node}: publishes {listing(ports)}, chosen by netorch")
            for line in _machine_lines(loaded):
                put(line)
    if output.form == "github":
        _annotate(verdicts, lambda: _document(rows), output)
    elif output.form == "gitlab":
        _report(verdicts, output)
    elif output.json:
        output.result(_document(rows))
    return status


def _document(rows: Sequence[dict[str, object]]) -> str:
    from netorch.render import json

    return json.document(files=rows)


def _chosen_rows(loaded: Loaded) -> dict[str, object]:
    """Return the subnets and ports that netorch chose, for a JSON document, if it chose any."""
    chosen = loaded.desired.chosen
    subnets = {network: [str(subnet) for subnet in each] for network, each in chosen.items()}
    ports = {node: [*texts] for node, texts in loaded.desired.chosen_ports.items()}
    return {**({"subnets": subnets} if subnets else {}), **({"ports": ports} if ports else {})}


def _annotate(
    verdicts: Iterable[tuple[str, Sequence[Problem], Sequence[Problem]]],
    document: Callable[[], str],
    output: Output,
) -> None:
    """Print annotations for a GitHub Actions job, and write its summary and its outputs."""
    from netorch.cli.repository import path_in, set_outputs, summarise
    from netorch.render import github, markdown

    entries = [
        markdown.Verdict(path_in(file), tuple(errors), tuple(warnings))
        for file, errors, warnings in verdicts
    ]
    for entry in entries:
        for level, problems in (("error", entry.errors), ("warning", entry.warnings)):
            for problem in problems:
                output.result(github.of_problem(level, problem, entry.file))
    summarise(markdown.validation(entries), output.warn)
    set_outputs(document, output.warn)


def _report(
    verdicts: Iterable[tuple[str, Sequence[Problem], Sequence[Problem]]], output: Output
) -> None:
    """Print a Code Quality report of GitLab."""
    from itertools import chain

    from netorch.cli.repository import path_in
    from netorch.render import gitlab

    entries = chain.from_iterable(
        (
            *gitlab.of_problems(errors, path_in(file)),
            *gitlab.of_problems(warnings, path_in(file), "minor"),
        )
        for file, errors, warnings in verdicts
    )
    output.result(gitlab.report(entries))


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
