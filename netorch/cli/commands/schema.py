"""`schema`: print the JSON Schema of topology files, for editors."""

from __future__ import annotations

import argparse

from netorch.cli.command import FILES, Command
from netorch.cli.options import Options
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output


class SchemaOptions(Options):
    to: str | None


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to", metavar="PATH", help="write the schema to a file instead of standard output"
    )


def run(options: SchemaOptions, output: Output) -> int:
    import json

    from netorch.topology import schema as language

    output.document(json.dumps(language.schema(), indent=1, ensure_ascii=False), options.to)
    return DONE


COMMAND = Command(
    name="schema",
    summary="print the JSON Schema of topology files, for editors",
    group=FILES,
    examples=(
        ("schema --to netorch.json", "write the schema for an editor"),
        ("schema", "print it"),
    ),
    page="docs/editors.md",
    options=SchemaOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.cli.inputs",),
)
