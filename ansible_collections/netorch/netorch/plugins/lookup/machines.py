"""The lookup plugin netorch.netorch.machines."""

from __future__ import annotations

DOCUMENTATION = r"""
name: machines
short_description: The machines of a netorch topology file
version_added: 0.1.0
author: the netorch authors (@netorch)
description:
  - Reads C(hosts) of topology files on the controller. netorch has to be installed there.
options:
  _terms:
    description: Paths of topology files.
    required: true
  set:
    description: Values for variables of the files.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: List the machines
  ansible.builtin.debug:
    msg: "{{ lookup('netorch.netorch.machines', 'topo.yaml') }}"
"""

RETURN = r"""
_list:
  description: The machines in the order of the files, each with C(name) and C(address).
  type: list
  elements: dict
"""

from collections.abc import Sequence
from typing import Any

from ansible.plugins.lookup import LookupBase

from ansible_collections.netorch.netorch.plugins.module_utils.command import value_text
from ansible_collections.netorch.netorch.plugins.plugin_utils.machines import read


class LookupModule(LookupBase):
    def run(
        self, terms: Sequence[str], variables: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, str]]:
        self.set_options(var_options=variables, direct=kwargs)
        values = {key: value_text(value) for key, value in self.get_option("set").items()}
        return [machine._asdict() for term in terms for machine in read(term, values).machines]
