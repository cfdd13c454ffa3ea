"""`explain`: the way of a packet between two nodes, or what a person would type for a file."""

from __future__ import annotations

import argparse

from netorch.cli import DIFFERENT, DONE, inputs
from netorch.cli.output import Output
from netorch.errors import NetorchError


def explain(options: argparse.Namespace, output: Output) -> int:
    """Two words are a walk, one or none a file's commands."""
    words: list[str] = options.words
    if len(words) > 2:
        return output.usage("at most two words: netorch explain A B, or netorch explain [FILE]")
    if len(words) == 2 and options.marks:
        return output.usage("--marks goes with a file: netorch explain [FILE]")
    if len(words) == 2:
        return walk(options, output)
    if options.topology is not None or options.offline or options.tcp is not None:
        return output.usage("--file, --offline and --tcp go with two nodes: netorch explain A B")
    from netorch.cli.explain import script

    return script(options, output)


def walk(options: argparse.Namespace, output: Output) -> int:
    """There and back; 0 if the packet and its answer get through, 2 if not."""
    from netorch.render import json
    from netorch.render import walk as render
    from netorch.walk.ends import explain as follow
    from netorch.walk.result import FAILS

    source, target = options.words
    options.file = options.topology
    loaded, _ = inputs.chosen(options, live=True)
    if options.offline:
        from netorch.walk import from_state

        world = from_state.world(loaded.desired)
    else:
        from netorch.converge.orchestrator import Orchestrator
        from netorch.walk.live import look

        with Orchestrator() as lab:
            world = look(lab.kernel, loaded.desired)
    try:
        found = follow(world, source, target, options.tcp)
    except NetorchError as error:
        # which topology that was is not plain where topo.yaml is here and another one is live
        raise NetorchError(error.problems, error.file or loaded.file) from None
    if output.json:
        output.result(
            json.document(
                topology=loaded.desired.topology, **render.document(found, live=world.live)
            )
        )
    elif output.quiet:
        if found.outcome == FAILS:
            output.result(render.verdict(found))
    else:
        for line in render.lines(found):
            output.result(line)
    return DIFFERENT if found.outcome == FAILS else DONE
