"""Runs netorch's command line on the machine. Its JSON is the stable interface."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

INSTALL = (
    "netorch is not installed on this machine: it is neither beside {python} nor in PATH. Install "
    "it with `{python} -m pip install netorch`, or set `executable` to its path."
)

VERSION = 1
"""The version of the JSON that this collection understands."""

OPTIONS = {
    "executable": {"type": "path"},
    "lock_timeout": {"type": "float"},
}
FILE_OPTIONS = {
    "src": {"type": "path"},
    "remote_src": {"type": "bool", "default": False},
    "content": {"type": "str"},
    "folder": {"type": "path", "default": "/etc/netorch"},
    "host": {"type": "str"},
    "set": {"type": "dict", "default": {}},
}


class Command:
    """The command netorch on the machine where a module runs."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.params = module.params
        self._path: str = self.params["executable"] or self._find()

    def _find(self) -> str:
        own = Path(sys.executable).parent / "netorch"
        if os.access(own, os.X_OK):
            return str(own)
        path: str | None = self.module.get_bin_path("netorch")
        if path is None:
            self._end(msg=INSTALL.format(python=sys.executable))
        return path

    def run(
        self, name: str, *words: str, statuses: tuple[int, ...] = (0,), file: bool = False
    ) -> dict[str, Any]:
        """Return the document that `netorch NAME -o json WORDS` prints.

        End the module if the exit status is not in `statuses`. With `file`, the command gets the
        topology file of the module's options, and the options that belong to it.
        """
        argv = [self._path, name, "-o", "json", *words]
        if file:
            argv += self._file_words()
        # not `run_command`, which hides the output of a command that does not read all of its input
        try:
            done = subprocess.run(
                argv,
                input=(self.params["content"] or "") if file else "",
                cwd=self._folder() if file else None,
                capture_output=True,
                check=False,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, "LC_ALL": "C.UTF-8", "NO_COLOR": "1"},
            )
        except OSError as error:
            self._end(msg=f"{self._path} cannot be run: {error.strerror}")
        status, out, err = done.returncode, done.stdout, done.stderr
        try:
            document = json.loads(out)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            last = (err or out).strip().splitlines()[-1:]
            self._end(
                msg=f"{self._path} did not print JSON: {''.join(last) or 'it printed nothing'}",
                rc=status,
                stdout=out,
                stderr=err,
            )
        if document.get("version") != VERSION:
            self._end(
                msg=f"{self._path} prints JSON of version {document.get('version')}, and this "
                f"collection understands version {VERSION}: install the same netorch on the "
                "controller and on the machine."
            )
        if status not in statuses or "error" in document:
            self.fail(document, status)
        for warning in document.get("warnings", ()):
            self.module.warn(warning)
        return document

    def fail(self, document: dict[str, Any], status: int) -> NoReturn:
        """End the module with the problems that netorch found."""
        # `validate` has the problems of each file apart
        reports = [document, *document.get("files", ())]
        problems = [
            self._with_source(problem) for one in reports for problem in one.get("problems", ())
        ]
        lines = [_text(problem) for problem in problems]
        self._end(
            msg="\n".join(lines) or f"netorch failed with exit status {status}",
            error=document.get("error"),
            problems=problems,
            rc=status,
        )

    def _end(self, **result: Any) -> NoReturn:
        self.module.fail_json(**result)
        raise AssertionError("fail_json ends the module")

    def lock_words(self) -> list[str]:
        timeout = self.params["lock_timeout"]
        return [] if timeout is None else ["--lock-timeout", str(timeout)]

    def _file_words(self) -> list[str]:
        settings: dict[str, Any] = self.params["set"]
        words = [f"--set={key}={value_text(value)}" for key, value in settings.items()]
        if self.params["host"]:
            words += ["--host", self.params["host"]]
        if self.params.get("name"):
            words += ["--name", self.params["name"]]
        return [*words, "--", "-" if self.params["content"] is not None else self.params["src"]]

    def _folder(self) -> str | None:
        """Return the folder in which the command runs; None for the module's own."""
        if self.params["content"] is None:
            return None
        folder: str = self.params["folder"]
        return folder if Path(folder).is_dir() else "/"

    def _with_source(self, problem: dict[str, Any]) -> dict[str, Any]:
        """Return a problem with the path on the controller in place of standard input."""
        source = self.params.get("src") or "content"
        return {**problem, "file": source} if problem.get("file") == "-" else problem


def value_text(value: object) -> str:
    """Return a value of YAML as netorch reads it on its command line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _text(problem: dict[str, Any]) -> str:
    places = [problem.get("file"), problem.get("line"), problem.get("column")]
    place = ":".join(str(part) for part in places if part)
    words = [problem.get("what") or "", problem.get("remedy") or ""]
    return (f"{place}: " if place else "") + " ".join(word for word in words if word)
