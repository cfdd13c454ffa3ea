"""Enables and disables the services of topologies: everything of one call, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netorch.boot import files
from netorch.boot.files import TEMPLATE, WATCH, Settings, Signature, signature_of
from netorch.errors import NetorchError, Problem
from netorch.immutable import Value
from netorch.kernel.services import systemd
from netorch.kernel.services.edits import Edits, read, remove_folder
from netorch.resolve.loaded import Loaded
from netorch.values.requests import KeyFile

FOLDER = "/etc/netorch"
"""The folder of the topology files that are applied when the machine starts."""


class Request(Value):
    """What is to be enabled."""

    program: tuple[str, ...]
    """The words that start netorch."""
    watch: bool
    """Whether to watch the topologies of this machine."""
    now: bool
    """Whether to start the services at once, too."""
    loaded: Loaded | None = None
    """The topology, if one is to be applied when the machine starts."""
    data: bytes = b""
    """The topology file."""
    source: str = "-"
    """Its absolute path, `-` for standard input."""
    settings: Settings = Settings()
    """How the service applies it. The digest is computed by `enable`."""


class Outcome(Value):
    """What was enabled or disabled."""

    units: tuple[str, ...]
    """The services."""
    changed: bool
    """Whether anything is not as before."""
    path: str = ""
    """The topology file of the service."""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def require_systemd(remedy: str) -> None:
    """Raise NetorchError unless systemd manages this machine."""
    if not systemd.is_running():
        what = "systemd does not run here, so nothing was enabled or disabled."
        raise NetorchError(Problem("no-systemd", what, None, remedy))


def service(name: str) -> str:
    """Return the service of a topology."""
    return TEMPLATE.replace("@", f"@{name}")


def path_of(name: str) -> str:
    """Return the topology file of a service."""
    return f"{FOLDER}/{name}.yaml"


def settings_path_of(name: str) -> str:
    """Return the file that says how a service applies its topology file."""
    return f"{FOLDER}/{name}.env"


def enable(request: Request) -> Outcome:
    """Put the files in place and enable the services. Raise NetorchError after undoing all of it.

    A second call with the same files changes nothing.
    """
    program = files.command_line(request.program)
    warnings = _check_program(request.program)
    units, templates, path = [], [], ""
    edits = Edits()
    with _undoing(edits) as newly:
        if request.loaded is not None:
            name = request.loaded.desired.topology
            path = path_of(name)
            warnings += _put_file(edits, name, request.loaded, request)
            units.append(service(name))
            templates.append(TEMPLATE)
        if request.watch:
            units.append(WATCH)
            templates.append(WATCH)
        for unit in templates:
            warnings += _put_unit(edits, unit, program)
        if edits.has_changed:
            systemd.systemctl("daemon-reload")
        for unit in units:
            if systemd.state_of(unit, "is-enabled") != "enabled":
                newly.append(unit)
                systemd.systemctl("enable", unit)
        began = request.now and _start(units, edits.has_changed)
    changed = edits.has_changed or bool(newly) or began
    return Outcome(tuple(units), changed, path, tuple(warnings))


@contextmanager
def _undoing(edits: Edits) -> Iterator[list[str]]:
    """Undo everything if the block fails. The list is for the services that it enables."""
    newly: list[str] = []
    try:
        yield newly
    except BaseException:
        for unit in newly:
            systemd.try_systemctl("disable", unit)
        edits.undo()
        systemd.try_systemctl("daemon-reload")
        for unit in newly:
            systemd.try_systemctl("reset-failed", unit)
        raise


def _start(units: list[str], has_written: bool) -> bool:
    """Start the services. Return whether that was necessary."""
    began = False
    for unit in units:
        is_active = systemd.state_of(unit, "is-active") in ("active", "reloading")
        if not is_active:
            systemd.systemctl("start", unit)
        elif has_written:
            systemd.systemctl("restart" if unit == WATCH else "reload", unit)
        began = began or not is_active or has_written
    return began


def _check_program(program: tuple[str, ...]) -> list[str]:
    """Return a warning if somebody besides root can change the program that root will start."""
    part = systemd.writable_part(program[0])
    if not part:
        return []
    return [
        f"{program[0]}: other users than root can change {part}, so they decide what root runs "
        "when the machine starts: install netorch where only root can write"
    ]


def _put_file(edits: Edits, name: str, loaded: Loaded, request: Request) -> list[str]:
    """Copy the topology file, unless it is in its place already, and write the settings."""
    path, settings_path, settings = path_of(name), settings_path_of(name), request.settings
    known, there = _signature(settings_path), read(path)
    is_copy = known.is_own and there is not None and known.file_digest == files.digest_of(there)
    if request.source == path:
        digest = known.file_digest if is_copy else "-"
    else:
        digest = files.digest_of(request.data)
        _refuse_other_name(request.source, name, path)
        _refuse_relative(loaded)
        if there is not None and there != request.data and not is_copy:
            command = f"netorch enable {path}"
            what = f"{path} is not as `netorch enable` wrote it: somebody has edited or made it."
            remedy = f"Enable that file (`{command}`), or remove it if it is obsolete."
            raise NetorchError(Problem("file-in-the-way", what, None, remedy, path, command))
        edits.write(path, request.data, 0o600)
    if read(settings_path) is not None and (not known.is_own or known.is_edited):
        command = f"rm {settings_path}"
        what = f"{settings_path} is not as `netorch enable` wrote it: somebody edited or made it."
        remedy = f"Say with --set, --host and --name what it sets, and remove it: `{command}`."
        raise NetorchError(Problem("file-in-the-way", what, None, remedy, settings_path, command))
    text = Settings(digest, settings.name, settings.host, settings.variables).text()
    edits.write(settings_path, text.encode(), 0o600)
    return [
        f"{attachment}: a process has another number after a restart, so `apply` will fail then"
        for attachment in loaded.desired.attached.values()
        if attachment.how == "pid"
    ]


def _refuse_other_name(source: str, name: str, path: str) -> None:
    """Raise NetorchError for a file in the folder of the services that no service would apply."""
    if source.startswith(f"{FOLDER}/"):
        command = f"mv {source} {path}"
        what = f"{source}: the topology is called {name!r}, so its file has to be {path}."
        remedy = f"Rename it: `{command}`."
        raise NetorchError(Problem("file-in-the-way", what, None, remedy, source, command))


def _refuse_relative(loaded: Loaded) -> None:
    """Raise NetorchError if a copy of the file would look for a key in another folder."""
    problems = [
        Problem(
            "relative-path",
            f"`{question.word}: {question.path}` counts from the folder of the file, and "
            f"`enable` copies the file to {FOLDER}.",
            loaded.where(loaded.desired.origins.get(key, ())),
            "Write the absolute path.",
            question.path,
        )
        for key, resource in loaded.desired.state.items()
        for question in resource.questions
        if isinstance(question, KeyFile) and not question.path.startswith("/")
    ]
    if problems:
        raise NetorchError(problems, loaded.file)


def _signature(path: str) -> Signature:
    data = read(path)
    return signature_of(data.decode("utf-8", "replace")) if data is not None else Signature()


def _put_unit(edits: Edits, unit: str, program: str) -> list[str]:
    """Write a unit, unless a package has installed it."""
    path = f"{systemd.LOCAL}/{unit}"
    known = _signature(path)
    if read(path) is None:
        if systemd.packaged(unit):
            return []
    elif not known.is_own:
        what = f"{path} exists, and `netorch enable` did not write it."
        remedy = "Remove it, or enable it yourself: `systemctl enable`."
        raise NetorchError(Problem("file-in-the-way", what, None, remedy, path))
    elif known.is_edited:
        return [
            f"{path} was edited, so netorch leaves it as it is: `systemctl edit {unit}` is a "
            "better place for changes"
        ]
    edits.write(path, files.unit(unit_text(unit), program).encode(), 0o644)
    return []


def unit_text(unit: str) -> str:
    """Return a unit of the package."""
    return (Path(__file__).parent / "units" / unit).read_text(encoding="utf-8")


def disable(name: str | None, watch: bool) -> Outcome:
    """Disable the services, and remove the files that `enable` wrote and nobody has edited.

    The network stays as it is.
    """
    units = [*([service(name)] if name is not None else []), *([WATCH] if watch else [])]
    notes: list[str] = []
    edits = Edits()
    was = [unit for unit in units if systemd.state_of(unit, "is-enabled") == "enabled"]
    active = [unit for unit in units if systemd.state_of(unit, "is-active") == "active"]
    try:
        for unit in was:
            systemd.systemctl("disable", unit)
        for unit in active:
            systemd.systemctl("stop", unit)
        if name is not None:
            notes += _remove_file(edits, name)
        for unit in (TEMPLATE, WATCH):
            if not _is_used(unit):
                _remove_unit(edits, unit)
        if edits.has_changed:
            systemd.systemctl("daemon-reload")
    except BaseException:
        edits.undo()
        for unit in was:
            systemd.try_systemctl("enable", unit)
        raise
    remove_folder(FOLDER)
    return Outcome(tuple(units), bool(was or active) or edits.has_changed, notes=tuple(notes))


def _remove_file(edits: Edits, name: str) -> list[str]:
    path, settings_path = path_of(name), settings_path_of(name)
    known, there = _signature(settings_path), read(path)
    notes = []
    if there is not None and known.is_own and known.file_digest == files.digest_of(there):
        edits.remove(path)
    elif there is not None:
        notes.append(f"{path} stays, because `netorch enable` did not write it as it is now")
    if known.is_own and not known.is_edited:
        edits.remove(settings_path)
    elif read(settings_path) is not None:
        notes.append(f"{settings_path} stays, because somebody has edited or made it")
    return notes


def _is_used(unit: str) -> bool:
    if unit == TEMPLATE:
        return bool(systemd.enabled_instances())
    is_enabled = systemd.state_of(unit, "is-enabled") == "enabled"
    return is_enabled or systemd.state_of(unit, "is-active") == "active"


def _remove_unit(edits: Edits, unit: str) -> None:
    path = f"{systemd.LOCAL}/{unit}"
    known = _signature(path)
    if known.is_own and not known.is_edited:
        edits.remove(path)
