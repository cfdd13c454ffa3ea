"""netorch makes the network that one YAML file declares in the Linux kernel.

    import netorch

    with netorch.running("topo.yaml") as lab:
        print(lab.node("r1").run(["ping", "-c", "1", "r2"]).stdout)

Each public name is imported when it is first used, so that `import netorch` is fast.
"""

from netorch.version import __version__

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.api.node import Interface, Node
    from netorch.api.operations import Changes, Checks, apply, check, destroy, diff
    from netorch.api.running import Lab, running
    from netorch.api.topology import Topology, load
    from netorch.checks.probes import Outcome
    from netorch.errors import (
        CommandError,
        CommandFailed,
        CommandTimeout,
        ConflictError,
        FileError,
        KernelRefused,
        LacksError,
        LockedError,
        NetorchError,
        Problem,
    )
    from netorch.render.changes import Change

_HOMES = {
    "netorch.api.operations": ("Changes", "Checks", "apply", "check", "destroy", "diff"),
    "netorch.api.topology": ("Topology", "load"),
    "netorch.checks.probes": ("Outcome",),
    "netorch.errors": (
        *(
            "CommandError",
            "CommandFailed",
            "CommandTimeout",
            "ConflictError",
            "FileError",
            "KernelRefused",
            "LacksError",
        ),
        *("LockedError", "NetorchError", "Problem"),
    ),
    "netorch.api.running": ("Lab", "running"),
    "netorch.api.node": ("Interface", "Node"),
    "netorch.render.changes": ("Change",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Change",
    "Changes",
    "Checks",
    "CommandError",
    "CommandFailed",
    "CommandTimeout",
    "ConflictError",
    "FileError",
    "Interface",
    "KernelRefused",
    "Lab",
    "LacksError",
    "LockedError",
    "NetorchError",
    "Node",
    "Outcome",
    "Problem",
    "Topology",
    "__version__",
    "apply",
    "check",
    "destroy",
    "diff",
    "load",
    "running",
]


if not TYPE_CHECKING:  # because a type checker would accept any name with a `__getattr__`

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value: object = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
