"""The content of the files that `enable` writes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from netorch.errors import NetorchError, Problem
from netorch.immutable import Value, field
from netorch.values.digest import sha256

SYSTEM_PROGRAM = "/usr/bin/netorch"
"""The program in the units of the package."""
TEMPLATE, WATCH = "netorch@.service", "netorch-watch.service"
_HEAD = "# Written by `netorch enable`."
_SIGNATURE = re.compile(r"# sha256=([0-9a-f]{64})(?: file=([0-9a-f]{64}|-))?")
_PLAIN = re.compile(r"[A-Za-z0-9/._+@~-]+")
_ESCAPED = re.compile(r'(["\\`$])')
VARIABLE = "NETORCH_VAR_"
"""The prefix of environment variables that set a variable of a topology file."""


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of a file."""
    return sha256(data).hexdigest()


class Settings(Value):
    """How a service applies its topology file, as `/etc/netorch/NAME.env` says."""

    file_digest: str = "-"
    """The SHA-256 of the topology file that `enable` copied; `-` if the user put it there."""
    name: str | None = None
    """The value of `--name`."""
    host: str | None = None
    """The value of `--host`."""
    variables: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Return the file. Raise NetorchError for a value that such a file cannot hold."""
        options = []
        if self.name is not None:
            options.append(f"--name {self.name}")
        if self.host is not None:
            options.append(f"--host {self.host}")
        lines = [f"NETORCH_OPTIONS={_quoted(' '.join(options))}"] if options else []
        for name, value in sorted(self.variables.items()):
            if not value.isprintable():
                what = f"variable {name!r}: systemd passes no value with unprintable characters."
                remedy = "Write the value into `vars` of the file."
                raise NetorchError(Problem("bad-setting", what, None, remedy, name))
            lines.append(f"{VARIABLE}{name}={_quoted(value)}")
        return signed("\n".join(lines), f" file={self.file_digest}")


def _quoted(value: str) -> str:
    escaped = _ESCAPED.sub(r"\\\1", value)
    return f'"{escaped}"'


def signed(body: str, more: str = "") -> str:
    """Return a file with a head that tells whether the rest was edited."""
    body = f"{body.strip()}\n"
    return f"{_HEAD}\n# sha256={digest_of(body.encode())}{more}\n{body}"


class Signature(Value):
    """What the head of a file says."""

    is_own: bool = False
    """Whether `enable` wrote the file."""
    is_edited: bool = False
    """Whether somebody has changed it since."""
    file_digest: str = ""
    """`file_digest` of the settings."""


def signature_of(text: str) -> Signature:
    """Read the head of a file."""
    head, _, rest = text.partition("\n")
    line, _, body = rest.partition("\n")
    match = _SIGNATURE.fullmatch(line)
    if head != _HEAD or match is None:
        return Signature()
    return Signature(True, digest_of(body.encode()) != match[1], match[2] or "")


def unit(text: str, program: str) -> str:
    """Return a unit of the package for another program, which is a command line."""
    return signed(text.replace(SYSTEM_PROGRAM, program))


def command_line(words: Sequence[str]) -> str:
    """Return the words of a program as `ExecStart=` has them."""
    for word in words:
        if not word.isprintable() or re.search(r"[\"'\\$]", word):
            what = f"{word!r}: a unit of systemd cannot start a program with this path."
            remedy = "Install netorch in a folder with a plain name."
            raise NetorchError(Problem("bad-file-name", what, None, remedy, word))
    quoted = [word if _PLAIN.fullmatch(word) else f'"{word}"' for word in words]
    return " ".join(quoted).replace("%", "%%")
