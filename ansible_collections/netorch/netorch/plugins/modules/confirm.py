#!/usr/bin/python
"""The module netorch.netorch.confirm."""

from __future__ import annotations

DOCUMENTATION = r"""
module: confirm
short_description: Keep or undo the changes of a netorch apply that waits for a confirmation
version_added: 0.1.0
author: the netorch authors (@netorch)
description:
  - Runs C(netorch confirm) for changes that M(netorch.netorch.topology) made with
    O(netorch.netorch.topology#module:confirm_within).
  - If the changes are gone already, because their time is over, the module fails. If nothing waits
    because they were confirmed before, nothing is changed.
options:
  name:
    description: Name of the topology.
    type: str
    required: true
  undo:
    description: Roll back at once instead. The module ends when nothing of the changes is left.
    type: bool
    default: false
  token:
    description:
      - Only the apply that returned this token. Without it, the apply that waits, whoever made it.
    type: str
attributes:
  diff_mode:
    description: With O(undo=true), shows what the rollback changed.
    support: full
extends_documentation_fragment:
  - netorch.netorch.options
seealso:
  - module: netorch.netorch.topology
"""

EXAMPLES = r"""
- name: Keep the changes
  netorch.netorch.confirm:
    name: lab

- name: Undo the changes of this play
  netorch.netorch.confirm:
    name: "{{ trial.topology }}"
    token: "{{ trial.token }}"
    undo: true
"""

RETURN = r"""
topology:
  description: Name of the topology.
  returned: success
  type: str
  sample: lab
confirmed:
  description: Whether an apply waited and is confirmed now; in check mode, whether one waits.
  returned: success
  type: bool
undone:
  description: The same for O(undo=true).
  returned: success
  type: bool
seconds_left:
  description: In check mode, the seconds until netorch rolls back.
  returned: success
  type: float
changes:
  description: The changes of the rollback.
  returned: success
  type: list
  elements: dict
problems:
  description: What netorch found, each with its code and its remedy.
  returned: failure
  type: list
  elements: dict
error:
  description: Kind of the failure, such as C(NetorchError).
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netorch.netorch.plugins.module_utils.changes import before_and_after
from ansible_collections.netorch.netorch.plugins.module_utils.command import OPTIONS, Command


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **OPTIONS,
            "name": {"type": "str", "required": True},
            "undo": {"type": "bool", "default": False},
            "token": {"type": "str", "no_log": False},
        },
        supports_check_mode=True,
    )
    command = Command(module)
    words = command.lock_words()
    if module.params["undo"]:
        words.append("--undo")
    if module.params["token"]:
        words += ["--token", module.params["token"]]
    if module.check_mode:
        words.append("--dry-run")
    document = command.run("confirm", *words, "--", module.params["name"])
    keys = ("topology", "confirmed", "undone", "seconds_left", "changes", "summary")
    module.exit_json(
        changed=document["confirmed"] or document["undone"],
        diff=before_and_after(document["topology"], document["changes"]),
        **{key: document[key] for key in keys},
    )


if __name__ == "__main__":
    main()
