"""Completion in real shells on a terminal. A test types the beginning of a line, presses the Tab
key, and lets the shell print the line instead of running it.
"""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.programs import require_program

EVIL = "x$(touch pwned);'`touch pwned`.yaml"
TYPED = {
    "netorch des": "netorch destroy",
    "netorch diff -o j": "netorch diff -o json",
    "netorch apply --keep": "netorch apply --keep-partial",
    "netorch completion f": "netorch completion fish",
    "netorch exec g": "netorch exec gw",
    "netorch explain g": "netorch explain gw",
    "netorch capture h1 g": "netorch capture h1 gw",
    "netorch exec --name nobody g": "netorch exec --name nobody g",
    "netorch validate b": "netorch validate b c.yaml",
    "netorch diff a.yaml fol": "netorch diff a.yaml folder/",
    "netorch apply x": f"netorch apply {EVIL}",
}
SHELLS = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        'eval "$(netorch completion bash)"',
        "printf '[%s]\\n' \"$*\"",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        'autoload -Uz compinit; compinit -u -D; eval "$(netorch completion zsh)"',
        "printf '[%s]\\n' \"$*\"",
    ),
    "fish": (
        ["fish", "--no-config", "-i"],
        "netorch completion fish | source",
        "printf '[%s]\\n' \"$argv\"",
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "topo.yaml").write_text("nodes: {'h[1-3]': , gw: }\n")
    for name in ("a.yaml", "b c.yaml", "both.txt", EVIL):
        (tmp_path / name).write_text("")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_shell_makes_of_a_line(shell: str, folder: Path) -> None:
    argv, learn, echo = SHELLS[shell]
    require_program(argv[0], shell)
    function = f"function say; {echo}; end" if shell == "fish" else f"say() {{ {echo}; }}"
    # Ctrl-A moves to the beginning of the line: with `say` there, the shell prints the line
    lines = "".join(f"{typed}\t\x01say \x05\r" for typed in TYPED)
    output = on_terminal(
        argv, folder, f"{learn}; {function}; echo rea''dy\r", "ready", f"{lines}echo en''d\r", "end"
    )
    assert [line.strip() for line in output if line.startswith("[")] == [
        f"[{line}]" for line in TYPED.values()
    ]
    assert not (folder / "pwned").exists()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("netorch validate b", "b c.yaml"),
        ("netorch exec g", "gw"),
        ("netorch graph --o", "--output"),
    ],
)
def test_completion_loads_no_models(typed: str, offered: str, folder: Path) -> None:
    answer = folder / "answer"
    words = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "PYTHONPATH": os.getcwd(),
    }
    line = {"COMP_LINE": typed, "COMP_POINT": str(len(typed))}
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "netorch"],
        env=words | line,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in process.stderr.splitlines()}
    assert answer.read_text().replace("\\", "").strip() == offered
    assert "netorch.cli.completion" in loaded
    assert not [name for name in loaded if name.split(".")[0] == "pydantic"]


def test_the_completion_script_loads_no_models() -> None:
    code = (
        "import sys; from netorch.cli import main; main(['completion', 'bash']); "
        "print(*sys.modules, file=sys.stderr)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "argcomplete" in process.stdout
    assert not {"pydantic", "yaml"} & {*process.stderr.split()}


def on_terminal(
    argv: list[str], folder: Path, first: str, ready: str, then: str, end: str
) -> list[str]:
    """Run a program on a terminal, and return the lines that it prints up to `end`.

    `first` is typed at once, and `then` after the line `ready`.
    """
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    words = {
        "PATH": path,
        "HOME": str(folder),
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": os.getcwd(),
    }
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe(argv[0], argv, words)
    seen, deadline = "", time.monotonic() + 120
    try:
        os.write(terminal, first.encode())
        while f"\n{end}\r" not in seen and time.monotonic() < deadline:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            seen += os.read(terminal, 65536).decode("utf-8", "replace")
            if then and f"\n{ready}\r" in seen:
                os.write(terminal, then.encode())
                then = ""
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)
    return seen.replace("\r", "").splitlines()


def test_completion_does_not_wait_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "topo.yaml")
    line = "netorch explain a"
    words = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "answer"),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    subprocess.run(
        [sys.executable, "-m", "netorch"],
        cwd=tmp_path,
        env=words | {"PYTHONPATH": os.getcwd()},
        timeout=60,
        check=True,
    )
    assert (tmp_path / "answer").read_text() == ""
