"""The connection plugin netorch.netorch.node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: node
short_description: Run tasks inside a node of a netorch topology
version_added: 0.1.0
author: the netorch authors (@netorch)
description:
  - Runs each command with C(netorch exec) in the network namespace of a node. So roles for routers
    and servers work on nodes as on machines.
  - A node on another machine is reached by ssh, as the machine is. All options of the connection
    P(ansible.builtin.ssh#connection) have their effect.
  - A node has the files of its machine, except for those in C(/etc/netns/NODE). So packages and
    files of a role belong to the machine and to all of its nodes, and services that are started by
    systemd do not run in the node.
  - C(netorch exec) needs root. Connect as root, or write C(sudo -n netorch) as O(command).
options:
  node:
    description: Name of the node.
    type: str
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: netorch_node
  topology:
    description: Name of the topology, if several have a node with this name.
    type: str
    vars:
      - name: netorch_topology
  command:
    description: Words with which netorch begins on the machine.
    type: str
    default: netorch
    vars:
      - name: netorch_command
  via:
    description: How the machine of the node is reached.
    type: str
    choices: [auto, local, ssh]
    default: auto
    vars:
      - name: netorch_via
notes:
  - V(auto) is V(local) if C(ansible_host) is not set or is C(localhost), and otherwise V(ssh).
extends_documentation_fragment:
  - connection_pipelining
  - netorch.netorch.ssh
"""

import shlex
from typing import Any

from ansible.plugins.connection import ConnectionBase
from ansible.plugins.loader import connection_loader

LOCAL = ("localhost", "127.0.0.1", "::1")


class Connection(ConnectionBase):
    """A connection into a node, over another connection to its machine."""

    transport = "netorch.netorch.node"
    has_pipelining = True

    def __init__(self, play_context: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(play_context, *args, **kwargs)
        self._arguments = args, kwargs
        self._machine: Any = None

    def _connect(self) -> Connection:
        if self._machine is None:
            name = self._via()
            args, kwargs = self._arguments
            connection = connection_loader.get(
                f"ansible.builtin.{name}", self._play_context, *args, **kwargs
            )
            known = connection.option_definitions
            own = {key: self.get_option(key) for key in known if self.has_option(key)}
            connection.set_options(direct=own)
            if self.become is not None:
                connection.set_become_plugin(self.become)
            self._machine = connection
        self._machine._connect()
        self._connected = True
        return self

    def _via(self) -> str:
        chosen: str = self.get_option("via")
        if chosen != "auto":
            return chosen
        host = self.get_option("host")
        return "local" if host in (*LOCAL, self.get_option("node")) else "ssh"

    def exec_command(
        self, cmd: str, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        words = [*shlex.split(self.get_option("command")), "exec"]
        if self.get_option("topology"):
            words += ["--name", self.get_option("topology")]
        line = shlex.join([*words, self.get_option("node"), "/bin/sh", "-c", cmd])
        done: tuple[int, bytes, bytes] = self._machine.exec_command(
            line, in_data=in_data, sudoable=sudoable
        )
        return done

    def put_file(self, in_path: str, out_path: str) -> None:
        super().put_file(in_path, out_path)
        self._machine.put_file(in_path, out_path)

    def fetch_file(self, in_path: str, out_path: str) -> None:
        super().fetch_file(in_path, out_path)
        self._machine.fetch_file(in_path, out_path)

    def reset(self) -> None:
        if self._machine is not None and hasattr(self._machine, "reset"):
            self._machine.reset()

    def close(self) -> None:
        if self._machine is not None:
            self._machine.close()
        self._connected = False
