"""Sends the text of the controller's topology file to the module."""

from __future__ import annotations

from ansible_collections.netorch.netorch.plugins.action.topology import ActionModule

__all__ = ["ActionModule"]
