"""Sends the text of the controller's topology file to the module.

So the machine needs no copy of the file, and check mode works without one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        src, content = args.get("src"), args.get("content")
        if src and content is not None:
            raise AnsibleActionFail("parameters are mutually exclusive: src|content")
        if src and not boolean(args.get("remote_src", False), strict=False):
            try:
                path = self._find_needle("files", src)
                real = Path(self._loader.get_real_file(path))
                args["content"] = real.read_text(encoding="utf-8")
            except (AnsibleError, OSError, UnicodeDecodeError) as error:
                what = f"{src} cannot be read on the controller: {error}"
                raise AnsibleActionFail(what) from error
        name = self._task.action.rpartition(".")[2]
        result: dict[str, Any] = self._execute_module(
            f"netorch.netorch.{name}", module_args=args, task_vars=task_vars
        )
        return result
