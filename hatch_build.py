"""Put the manual page and the completions of shells into the wheel, where other programs find them.

Both are made at build time: the page of docs/man.md, and the scripts as `netorch completion` prints
them.
"""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

from argcomplete.shell_integration import shellcode
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SCRIPTS = {
    "bash": "bash-completion/completions/netorch",
    "zsh": "zsh/site-functions/_netorch",
    "fish": "fish/vendor_completions.d/netorch.fish",
}
"""Shell → its file below `share`."""


class SharedFiles(BuildHookInterface[Any]):
    """Adds files below `share` to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="netorch-build-")
        folder = Path(self.folder.name)
        texts = {"man/man1/netorch.1": self._manual_page()}
        for shell, name in SCRIPTS.items():
            texts[name] = shellcode(["netorch"], use_defaults=False, shell=shell).rstrip("\n")
            texts[name] += "\n"
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o644)
            build_data["shared_data"][str(path)] = f"share/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self.folder.cleanup()

    def _manual_page(self) -> str:
        path = Path(self.root) / "docs/roff.py"
        spec = importlib.util.spec_from_file_location("roff", path)
        assert spec and spec.loader
        roff = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(roff)
        return str(roff.manual_page(Path(self.root)))
