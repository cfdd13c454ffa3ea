"""Writes a topology as a shell script, in sections, in the order of a plan.

The script makes the topology on a machine that has no part of it yet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from shlex import quote

from netorch.converge.bridge_filter import settings_without_filter
from netorch.errors import printable
from netorch.firewall.syntax import AUTO, PREFERRED
from netorch.immutable import Value, replace
from netorch.kinds.base.link import Link
from netorch.kinds.file import NodeFile
from netorch.kinds.filter import PacketFilter
from netorch.kinds.forward import ForwardAccept
from netorch.kinds.name import SecondName
from netorch.kinds.uplink import Uplink
from netorch.render.script import commands
from netorch.render.script.addressing import needs_mark
from netorch.render.script.context import Commands, Context
from netorch.resolve.desired import Desired
from netorch.state.key import Key, label_text
from netorch.state.plan import Step
from netorch.state.planner import plan
from netorch.state.resource import Resource
from netorch.values.requests import AddressAdd, Request, SysctlSet

_PID = "{{.State.Pid}}"
_PLAIN = re.compile(r"[^A-Za-z0-9]")


class ScriptSection(Value):
    """Commands that belong together."""

    about: tuple[str, ...]
    """The comments above the commands. The first line is the title."""
    commands: tuple[str, ...]

    @property
    def title(self) -> str:
        return self.about[0]


def sections(desired: Desired, *, marks: bool = False) -> list[ScriptSection]:
    """Return the sections of the script. With `marks`, the commands set netorch's marks."""
    state, optional = _for_shell(desired.state)
    names = _variables(desired)
    context = context_of(
        desired, {label: f'"${name}"' for label, name in names.items()}, marks=marks
    )
    steps = plan({}, state).changes
    result = (
        [_PROTOCOLS]
        if any(
            _asks_for_protocol(request, context) for step in steps for request in step.requests()
        )
        else []
    )
    if names:
        result.append(
            ScriptSection(
                _ABOUT_ATTACHED,
                tuple(
                    f"{names[label]}={namespace_path(*desired.attached[label])}" for label in names
                ),
            )
        )
    open_title, open_commands = "", list[str]()
    written: dict[str, str] = {}
    titles = _titles(desired)
    for step in steps:
        own = _copy(step, written, context)
        if own is None:
            own = step_commands(step, context, optional=step.key in optional)
        if not own:
            continue
        title = _title(step, desired, titles)
        if title != open_title and open_commands:
            result.append(ScriptSection(_about(open_title, titles), tuple(open_commands)))
            open_commands = []
        open_title = title
        open_commands += own
    if open_commands:
        result.append(ScriptSection(_about(open_title, titles), tuple(open_commands)))
    return result


def lines(desired: Desired, file: str, *, marks: bool = False) -> Iterator[str]:
    """Yield the script, line by line."""
    name = printable(desired.topology)
    yield "#!/bin/sh"
    yield (
        f"# Makes the topology {name} of {printable(file)}. "
        "Run it as root, on a machine that has no part of it yet."
    )
    if marks:
        yield f"# The objects have netorch's marks, so `netorch destroy {name}` removes them."
    else:
        yield "# The objects have no marks, so netorch does not recognise or remove them."
    yield "set -eu"
    for section in sections(desired, marks=marks):
        yield ""
        yield from (f"# {line}" for line in section.about)
        yield from section.commands


def context_of(desired: Desired, paths: Mapping[str, str], *, marks: bool = False) -> Context:
    """Return the context of the topology's commands.

    `paths` maps labels to the paths of attached namespaces, quoted for a shell.
    """
    return Context(
        marks=marks,
        paths=paths,
        own_namespaces=frozenset(key.netns for key in desired.state if key.kind == "netns"),
        own_links=frozenset(
            (link.netns, link.name) for link in desired.state.values() if isinstance(link, Link)
        ),
        uplink_bridges=frozenset(
            (key.netns, resource.bridge)
            for key, resource in desired.state.items()
            if isinstance(resource, Uplink)
        ),
        folder=desired.folder,
    )


def step_commands(step: Step, context: Context, *, optional: bool = False) -> Commands:
    """Return the commands of a step. With `optional`, a missing sysctl is not an error."""
    resource = step.resource
    is_new_veth = step.before is None and resource.KIND == "veth"
    own = replace(context, new_kind=resource.KIND if is_new_veth else "")
    return [
        line
        for request in step.requests()
        for line in commands(_optional(request) if optional else request, own)
    ]


def commands_of(desired: Desired) -> Callable[[Sequence[Step]], Commands]:
    """Return a function that writes the steps of a change as commands.

    The commands leave out netorch's marks, unless the steps change nothing but marks. A file that
    the function has written already is copied.
    """
    paths = {label: namespace_path(*attached) for label, attached in desired.attached.items()}
    contexts = [context_of(desired, paths, marks=marks) for marks in (False, True)]

    written: dict[str, str] = {}

    def commands_for(steps: Sequence[Step]) -> Commands:
        for context in contexts:
            result: Commands = []
            for step in steps:
                copy = _copy(step, written, context)
                result += step_commands(step, context) if copy is None else copy
            if result:
                return result
        return []

    return commands_for


def namespace_path(how: str, what: str) -> str:
    """Return the path of an attached namespace, quoted for a shell."""
    match how:
        case "docker" | "podman":
            return f'"/proc/$({how} inspect --format {quote(_PID)} {quote(what)})/ns/net"'
        case "pid":
            return f"/proc/{int(what)}/ns/net"
        case "netns":
            return quote(f"/run/netns/{what}")
    return quote(what)


_ABOUT_ATTACHED = (
    "attached namespaces",
    "They need no name in /run/netns: nsenter enters them by their path.",
)


_PROTOCOLS = ScriptSection(
    (
        "requirements",
        "On a foreign link, an address is marked by a protocol number, "
        "which ip-address(8) supports since iproute2 6.4.",
    ),
    (
        "unshare -n ip address add 127.0.0.2/32 dev lo proto 100 2>/dev/null ||"
        " { echo 'ip address does not know proto: install iproute2 6.4 or newer' >&2; exit 1; }",
    ),
)


def _asks_for_protocol(request: Request, context: Context) -> bool:
    return isinstance(request, AddressAdd) and needs_mark(request, context)


def _copy(step: Step, written: dict[str, str], context: Context) -> Commands | None:
    """Return the commands that copy an earlier file with the same content, None if there is none.

    `written` has the path of the first file with each content.
    """
    resource = step.after
    if not isinstance(resource, NodeFile):
        return None
    path = f"/etc/netns/{resource.netns}/{resource.name}"
    first = written.setdefault(resource.content, path)
    if first == path:
        return None
    # The file itself may be long, so that only its folder is written as a command.
    empty = replace(resource, content="")
    return [
        *step_commands(replace(step, after=empty), context)[:-1],
        # the two may be one file, which cp refuses to copy over itself
        f"cp --remove-destination {quote(first)} {quote(path)}",
    ]


def _optional(request: Request) -> Request:
    return replace(request, optional=True) if isinstance(request, SysctlSet) else request


def _for_shell(state: Mapping[Key, Resource]) -> tuple[dict[Key, Resource], frozenset[Key]]:
    """Return the state that the script makes, and the keys of its optional settings.

    The state lacks the objects that depend on what the machine has.
    """
    settings = settings_without_filter(state, lambda paths: dict.fromkeys(paths, "1"))
    result: dict[Key, Resource] = {resource.key: resource for resource in settings}
    for key, resource in state.items():
        if isinstance(resource, PacketFilter):
            result[key] = (
                replace(resource, backend=PREFERRED) if resource.backend == AUTO else resource
            )
        elif not isinstance(resource, ForwardAccept):
            result[key] = resource
    return result, frozenset(resource.key for resource in settings)


def _variables(desired: Desired) -> dict[str, str]:
    """Return a shell variable for the path of each attached namespace, by label."""
    labels: dict[str, str] = {}
    for label in desired.attached:
        name = f"netns_{_PLAIN.sub('_', label_text(label))}"
        while name in labels:
            name += "_"
        labels[name] = label
    return {label: name for name, label in labels.items()}


class _Titles(Value):
    """What the titles of the sections need, collected in one pass over the state."""

    nodes: Mapping[str, str]
    """Label → node."""
    cables: Mapping[int, str]
    """Position in `links` → the title of the link."""
    accepts: Mapping[str, Sequence[ForwardAccept]]
    """Title → the accepts that netorch adds to a packet filter."""


def _titles(desired: Desired) -> _Titles:
    ends: dict[int, dict[str, None]] = {}
    for key, origin in desired.origins.items():
        match origin:
            case ("links", int(number), *_) if isinstance(link := desired.state.get(key), Link):
                ends.setdefault(number, {})[f"{label_text(link.netns)}:{link.name}"] = None
    accepts: dict[str, list[ForwardAccept]] = {}
    for resource in desired.state.values():
        if isinstance(resource, ForwardAccept):
            accepts.setdefault(_filter_title(resource.netns), []).append(resource)
    return _Titles(
        desired.nodes,
        {number: f"link {' - '.join(names)}" for number, names in ends.items()},
        accepts,
    )


def _filter_title(label: str) -> str:
    return f"packet filter of {label_text(label)}"


def _title(step: Step, desired: Desired, titles: _Titles) -> str:
    key, origin = step.key, desired.origins.get(step.key, ())
    place = label_text(key.netns)
    node = titles.nodes.get(key.netns, "")
    if isinstance(step.after, SecondName):
        return f"node {place}, which shares the namespace of {label_text(step.after.target)}"
    match key.kind:
        case "netns":
            return f"node {place}" if node else f"{place}: the fabric, with the segments' bridges"
        case "route" | "rule":
            return f"routes of {place}"
        case "filter":
            return _filter_title(key.netns)
        case "file":
            return "names"
    match origin:
        case ("links", int(number), *_):
            return titles.cables.get(number, "link ")
        case ("networks", str(network), *_):
            return f"network {network}, in {place}"
        case ("hosts", *_):
            return f"encrypted tunnels, in {place}"
        case ("nodes", str(member), "networks", str(network), *_):
            return (
                f"network {network}, in {place}"
                if member != node
                else f"node {place} in network {network}"
            )
    return f"node {place}" if node else f"{place}: the fabric, with the segments' bridges"


def _about(title: str, titles: _Titles) -> tuple[str, ...]:
    about = [title]
    if own := titles.accepts.get(title):
        about.append(
            "If iptables drops forwarded packets, as it does with Docker, netorch also adds these"
            " (WAY stands for each interface to the outside that is not a foreign bridge):"
        )
        about += [
            f"  iptables -A FORWARD {match} -j ACCEPT"
            for accept in own
            for match in _matches(accept)
        ]
    return tuple(map(printable, about))


def _matches(accept: ForwardAccept) -> tuple[str, ...]:
    """Return the matches of the packets to accept.

    If a packet filter guards the network, these are the packets to members, and the packets that
    members send out of the network. Otherwise they are the packets from member to member.
    """
    bridge = quote(accept.bridge)
    if not accept.guarded:
        return (f"-i {bridge} -o {bridge}",)
    return (f"-o {bridge}", *((f"-i {bridge} -o WAY",) if accept.leads else ()))
