"""The options of Ansible's own ssh connection, for a connection that goes over it."""

from __future__ import annotations

from typing import Any

import yaml
from ansible.plugins.connection import ssh


class ModuleDocFragment:
    DOCUMENTATION: str


def _without_versions(value: Any) -> Any:
    """Return documentation without `version_added`, which counts in versions of Ansible."""
    if isinstance(value, dict):
        return {
            key: _without_versions(item) for key, item in value.items() if key != "version_added"
        }
    return [_without_versions(item) for item in value] if isinstance(value, list) else value


_OPTIONS = yaml.safe_load(ssh.DOCUMENTATION)["options"]
ModuleDocFragment.DOCUMENTATION = yaml.safe_dump({"options": _without_versions(_OPTIONS)})
