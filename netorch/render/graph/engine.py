"""Runs the layout engine: the Eclipse Layout Kernel, compiled to JavaScript, in V8.

`elk.js` is `elk-worker.min.js` of elkjs 0.12.1, unchanged. It is under the Eclipse Public License
2.0 (`elk.LICENSE`), its source is at https://github.com/kieler/elkjs. Only JSON goes in and comes
out.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from netorch.errors import NetorchError, Problem
from netorch.version import install_command

try:
    from py_mini_racer import MiniRacer
except ImportError:
    _COMMAND = install_command("graph")
    raise NetorchError(
        Problem(
            "no-mini-racer",
            "svg, html, png and drawio need the library mini-racer, which is not installed: "
            f"run `{_COMMAND}`, or use -o mermaid or -o dot",
            object="mini-racer",
            command=_COMMAND,
        )
    ) from None

_BEFORE = """
var global = globalThis, self = globalThis, answer;
function setTimeout(task) { task(); }
function clearTimeout() {}
function postMessage(message) { answer = message; }
"""
"""What the engine expects of a worker in a browser."""
_AFTER = """
function send(message) {
  self.onmessage({ data: message });
  return JSON.stringify(answer);
}
send({ id: 0, cmd: "register", algorithms: ["layered"] });
function layout(graph) {
  return send({ id: 1, cmd: "layout", graph: JSON.parse(graph), layoutOptions: {}, options: {} });
}
"""


def layout(graph: dict[str, Any]) -> dict[str, Any]:
    """Return an ELK graph with positions. The result is the same for the same graph."""
    answer = json.loads(_engine().call("layout", json.dumps(graph)))
    if "error" in answer:
        raise RuntimeError(f"the layout engine failed: {answer['error']}")
    return dict(answer["data"])


@cache
def _engine() -> MiniRacer:
    """Return V8 with the engine, which takes half a second to load."""
    engine = MiniRacer()
    code = files("netorch.render.graph").joinpath("elk.js").read_text(encoding="utf-8")
    engine.eval(_BEFORE + code + _AFTER)
    return engine
