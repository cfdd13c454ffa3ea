"""The inventory plugin netorch.netorch.hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts
short_description: Machines and nodes of a netorch topology file
version_added: 0.1.0
author: the netorch authors (@netorch)
description:
  - Reads C(hosts) of a topology file. The machines are in the group C(hosts), and their
    C(ansible_host) is the C(address) in the file.
  - The inventory source is a file that names this plugin and the topology file, or the topology
    file itself. For the latter, enable the plugin, such as with
    E(ANSIBLE_INVENTORY_ENABLED=netorch.netorch.hosts).
options:
  plugin:
    description: Name of this plugin.
    type: str
    required: true
    choices: [netorch.netorch.hosts]
  file:
    description: Path of the topology file, from the folder of the inventory source.
    type: str
    required: true
  set:
    description: Values for variables of the topology file.
    type: dict
    default: {}
  nodes:
    description:
      - Whether the nodes are hosts too, in the group C(nodes). Tasks then run inside them, by the
        connection P(netorch.netorch.node#connection).
    type: bool
    default: false
"""

EXAMPLES = r"""
# lab.netorch.yaml, used with: ansible-inventory -i lab.netorch.yaml --graph
plugin: netorch.netorch.hosts
file: topo.yaml
nodes: true
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin

from ansible_collections.netorch.netorch.plugins.module_utils.command import value_text
from ansible_collections.netorch.netorch.plugins.plugin_utils.machines import Spread, read


class InventoryModule(BaseInventoryPlugin):
    NAME = "netorch.netorch.hosts"

    def verify_file(self, path: str) -> bool:
        if not (super().verify_file(path) and path.endswith((".yaml", ".yml"))):
            return False
        try:
            content = DataLoader().load_from_file(path, cache="none", unsafe=True)
        except AnsibleParserError:
            return False
        if not isinstance(content, dict):
            return False
        return content.get("plugin") == self.NAME or _is_topology(content)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        content = loader.load_from_file(path, cache="none", unsafe=True)
        if _is_topology(content):
            file, nodes = path, False
            settings: dict[str, Any] = {}
        else:
            self._read_config_data(path)
            file = str(Path(path).parent / self.get_option("file"))
            settings, nodes = self.get_option("set"), self.get_option("nodes")
        spread = read(file, {key: value_text(value) for key, value in settings.items()})
        if spread.machines:
            self._add_machines(spread)
        if nodes:
            self._add_nodes(spread)

    def _add_machines(self, spread: Spread) -> None:
        self.inventory.add_group("hosts")
        for machine in spread.machines:
            self.inventory.add_host(machine.name, group="hosts")
            self.inventory.set_variable(machine.name, "ansible_host", machine.address)

    def _add_nodes(self, spread: Spread) -> None:
        self.inventory.add_group("nodes")
        addresses = {machine.name: machine.address for machine in spread.machines}
        for node in spread.nodes:
            values = {
                "ansible_connection": "netorch.netorch.node",
                "netorch_node": node.name,
                "netorch_topology": spread.topology,
            }
            if node.machine:
                values["ansible_host"] = addresses[node.machine]
            self.inventory.add_host(node.name, group="nodes")
            for key, value in values.items():
                self.inventory.set_variable(node.name, key, value)


def _is_topology(content: dict[str, Any]) -> bool:
    return "plugin" not in content and isinstance(content.get("hosts"), dict) and "nodes" in content
