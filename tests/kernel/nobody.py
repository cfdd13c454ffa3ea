"""Python for an unprivileged user, who may not read the folders that Python and netorch are in."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pydantic

from tests.kernel.host import PATH, SOURCE, Host

HOME = Path("/mnt/home")
"""The user's own folder."""
_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"


def let_nobody_in(host: Host) -> list[str]:
    """Make Python and netorch readable for `nobody` in the private host.

    Returns the words that run Python as `nobody`.
    """
    packages = Path(pydantic.__file__).resolve().parent.parent
    # what is installed in the base Python, such as plugins of pytest, is not part of the test
    others = sysconfig.get_path("purelib", vars={"base": "/mnt/python"})
    script = f"""
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/python /mnt/packages /mnt/source {HOME}
    mount --bind {sys.base_prefix} /mnt/python
    mount --bind {packages} /mnt/packages
    [ ! -d {others} ] || mount -t tmpfs tmpfs {others}
    mount --bind {SOURCE} /mnt/source
    chown 65534:65534 {HOME}
    """
    host.run("sh", "-ec", script)
    user = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--pdeathsig=KILL",
        "env",
        "-C",
        str(HOME),
    ]
    words = [
        f"HOME={HOME}",
        f"PATH={PATH}",
        "PYTHONPATH=/mnt/source:/mnt/packages",
        "PYTHONDONTWRITEBYTECODE=1",
    ]
    return [*user, *words, f"/mnt/python/bin/{_VERSION}"]
