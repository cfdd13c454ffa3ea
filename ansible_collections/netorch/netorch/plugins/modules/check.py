#!/usr/bin/python
"""The module netorch.netorch.check."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check
short_description: Try the checks of a netorch topology with real packets
version_added: 0.1.0
author: the netorch authors (@netorch)
description:
  - Runs C(netorch check), which sends real packets from inside the nodes of this machine. It never
    changes the topology.
  - The module fails if a check fails.
options:
  name:
    description:
      - Name of the live topology, instead of a file.
      - With a file, the name of another instance of it.
    type: str
  timeout:
    description: Seconds that an expected answer may take.
    type: float
attributes:
  diff_mode:
    description: There is nothing to show.
    support: none
extends_documentation_fragment:
  - netorch.netorch.options
  - netorch.netorch.options.file
seealso:
  - module: netorch.netorch.topology
"""

EXAMPLES = r"""
- name: Try the checks of the file
  netorch.netorch.check:
    src: topo.yaml

- name: Try those of a live topology
  netorch.netorch.check:
    name: lab
    timeout: 2
"""

RETURN = r"""
topology:
  description: Name of the topology.
  returned: when the checks were tried
  type: str
  sample: lab
passed:
  description: Whether all checks passed.
  returned: when the checks were tried
  type: bool
checks:
  description: The checks with their results, as in the JSON of C(netorch check).
  returned: when the checks were tried
  type: list
  elements: dict
summary:
  description: The numbers of checks that passed and failed.
  returned: when the checks were tried
  type: dict
  sample: {ok: 4, failed: 0}
in_sync:
  description: Whether the machine matches the file; none if this is unknown.
  returned: when the checks were tried
  type: bool
problems:
  description: What netorch found, each with its place in the file, its code and its remedy.
  returned: when the checks could not be tried
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netorch.netorch.plugins.module_utils.command import (
    FILE_OPTIONS,
    OPTIONS,
    Command,
)

LISTED = 10
"""The number of failures that the message lists."""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **OPTIONS,
            **FILE_OPTIONS,
            "name": {"type": "str"},
            "timeout": {"type": "float"},
        },
        required_one_of=[["name", "src", "content"]],
        supports_check_mode=True,
    )
    command = Command(module)
    words: list[str] = []
    if module.params["timeout"] is not None:
        words += ["--timeout", str(module.params["timeout"])]
    if module.params["src"] is not None or module.params["content"] is not None:
        document = command.run("check", *words, statuses=(0, 2), file=True)
    else:
        document = command.run("check", *words, "--", module.params["name"], statuses=(0, 2))
    keys = ("topology", "passed", "checks", "summary", "in_sync")
    result = {key: document[key] for key in keys}
    if not document["passed"]:
        module.fail_json(msg=message(document), **result)
    module.exit_json(changed=False, **result)


def message(document: dict[str, Any]) -> str:
    """Return one line for each pair of nodes that failed."""
    lines = [
        f"{pair['from']} → {pair['to']}: {pair['reason']}"
        for entry in document["checks"]
        for pair in entry["pairs"]
        if not pair["passed"]
    ]
    more = [f"… and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    failed, total = document["summary"].get("failed", 0), len(document["checks"])
    return "\n".join([f"{failed} of {total} checks failed:", *lines[:LISTED], *more])


if __name__ == "__main__":
    main()
