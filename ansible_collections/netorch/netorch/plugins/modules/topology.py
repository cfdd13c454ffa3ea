#!/usr/bin/python
"""The module netorch.netorch.topology."""

from __future__ import annotations

DOCUMENTATION = r"""
module: topology
short_description: Make the network of a machine match a netorch topology
version_added: 0.1.0
author: the netorch authors (@netorch)
description:
  - Applies a topology file with C(netorch apply), or removes a topology with C(netorch destroy).
  - If a step fails, the machine is as it was before.
  - To apply a file with C(hosts) to all of its machines or to none, use the playbook
    C(netorch.netorch.apply).
options:
  state:
    description: Whether the topology should exist on the machine.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - With O(state=present), the name of another instance of the same file (C(--name)).
      - With O(state=absent), the name of the topology to remove. The file is not needed then.
    type: str
  confirm_within:
    description:
      - Roll back after this many seconds, unless the module M(netorch.netorch.confirm) confirms
        the changes before. If nothing changes, there is nothing to confirm.
    type: float
attributes:
  diff_mode:
    description: Shows the objects that change, before and after.
    support: full
extends_documentation_fragment:
  - netorch.netorch.options
  - netorch.netorch.options.file
seealso:
  - module: netorch.netorch.confirm
  - module: netorch.netorch.check
"""

EXAMPLES = r"""
- name: Apply a topology that is a file on the controller
  netorch.netorch.topology:
    src: topo.yaml

- name: Show what would change
  netorch.netorch.topology:
    src: topo.yaml
  check_mode: true
  diff: true

- name: Apply a change of the network through which Ansible is connected
  netorch.netorch.topology:
    src: topo.yaml
    confirm_within: 60
  register: trial

- name: Keep it, because the machine still answers
  netorch.netorch.confirm:
    name: "{{ trial.topology }}"
    token: "{{ trial.token }}"
  when: trial.token is not none

- name: Apply a template with a variable
  netorch.netorch.topology:
    content: "{{ lookup('template', 'topo.yaml.j2') }}"
    set: {spines: 4}

- name: Remove a topology
  netorch.netorch.topology:
    name: lab
    state: absent
"""

RETURN = r"""
topology:
  description: Name of the topology.
  returned: success
  type: str
  sample: lab
changes:
  description: The changes, as in the JSON of C(netorch diff).
  returned: success, except for O(state=absent) in check mode
  type: list
  elements: dict
summary:
  description: The number of changes of each action.
  returned: success, except for O(state=absent) in check mode
  type: dict
  sample: {create: 6}
notes:
  description: What else netorch did, such as a process that it ended.
  returned: when something was changed
  type: list
  elements: str
confirm_until:
  description: With O(confirm_within), the time of the rollback in seconds since 1970.
  returned: O(state=present), outside of check mode
  type: float
token:
  description: With O(confirm_within), what distinguishes this apply for M(netorch.netorch.confirm).
  returned: O(state=present), outside of check mode
  type: str
problems:
  description: What netorch found, each with its place in the file, its code and its remedy.
  returned: failure
  type: list
  elements: dict
error:
  description: Kind of the failure, such as C(FileError) or C(ConflictError).
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netorch.netorch.plugins.module_utils.changes import (
    before_and_after,
    resources_before,
)
from ansible_collections.netorch.netorch.plugins.module_utils.command import (
    FILE_OPTIONS,
    OPTIONS,
    Command,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **OPTIONS,
            **FILE_OPTIONS,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "name": {"type": "str"},
            "confirm_within": {"type": "float"},
        },
        supports_check_mode=True,
    )
    command = Command(module)
    given = module.params["src"] is not None or module.params["content"] is not None
    if module.params["state"] == "absent":
        if not given and not module.params["name"]:
            module.fail_json(msg="state is absent but any of the following are missing: name, src")
        absent(module, command, given)
    if not given:
        module.fail_json(msg="state is present but any of the following are missing: src, content")
    present(module, command)


def present(module: AnsibleModule, command: Command) -> None:
    if module.check_mode:
        document = command.run("diff", statuses=(0, 2), file=True)
        changed = not document["in_sync"]
    else:
        words = command.lock_words()
        if module.params["confirm_within"] is not None:
            words += ["--confirm-within", str(module.params["confirm_within"])]
        document = command.run("apply", *words, file=True)
        changed = document["changed"]
    keys = ("topology", "changes", "summary", "notes", "confirm_until", "token")
    module.exit_json(
        changed=changed,
        diff=before_and_after(document["topology"], document["changes"]),
        **{key: document[key] for key in keys if key in document},
    )


def absent(module: AnsibleModule, command: Command, given: bool) -> None:
    name = module.params["name"]
    if not name:
        (entry,) = command.run("validate", file=True)["files"]
        name = entry["topology"]
    if module.check_mode:
        live = {entry["name"] for entry in command.run("list")["topologies"]}
        resources = command.run("show", name)["resources"] if name in live else []
        module.exit_json(
            changed=name in live,
            topology=name,
            diff=resources_before(name, resources),
        )
    (document,) = command.run("destroy", *command.lock_words(), "--", name)["topologies"]
    for warning in document["warnings"]:
        module.warn(warning)
    keys = ("topology", "changes", "summary", "notes")
    module.exit_json(
        changed=document["changed"],
        summary={"delete": document["removed"]} if document["removed"] else {},
        diff=before_and_after(name, document["changes"]),
        **{key: document[key] for key in keys if key in document},
    )


if __name__ == "__main__":
    main()
