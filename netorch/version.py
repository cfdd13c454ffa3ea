"""The version of netorch."""

__version__ = "0.1.0"

LANGUAGE = 1
"""The version of the topology language that this netorch reads."""

DEBIAN_PREFIX = "/usr/lib/netorch"
"""The environment of the Debian package (packaging/deb/build)."""


def install_command(extra: str) -> str:
    """Return the command that installs an extra of this netorch, such as `graph`.

    A clone installs itself, because the index of pip need not have the same version. In a virtual
    environment it is the pip of that environment, which need not be in the PATH.
    """
    import sys
    from pathlib import Path

    if sys.prefix == DEBIAN_PREFIX:
        return f"apt install netorch-{extra}"
    try:
        here = Path.cwd()
    except OSError:
        here = Path("/")
    root = Path(__file__).parent.parent
    is_clone = (root / "pyproject.toml").is_file()
    what = ("." if root == here else str(root)) if is_clone else "netorch"
    pip = "pip"
    if sys.prefix != sys.base_prefix:
        path = Path(sys.prefix) / "bin" / "pip"
        pip = str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
    return f"{pip} install '{what}[{extra}]'"
