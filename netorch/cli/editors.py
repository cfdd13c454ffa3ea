"""The command for editors: the JSON Schema of topology files."""

from __future__ import annotations

import argparse

from netorch.cli import DONE, inputs
from netorch.cli.output import Output


def schema(options: argparse.Namespace, output: Output) -> int:
    import json

    from netorch.topology import schema as language

    text = json.dumps(language.schema(), indent=1, ensure_ascii=False)
    if options.to in (None, "-"):
        output.result(text)
    else:
        inputs.write(options.to, text + "\n")
        output.note(f"{inputs.shown(options.to)}: written")
    return DONE
