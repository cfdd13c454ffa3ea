"""A topology as a shell script: what makes it where nothing of it is, in the plan's order, in sections."""

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
from netorch.kinds.uplink import Uplink
from netorch.render.script import commands
from netorch.render.script.addressing import needs_mark
from netorch.render.script.context import Commands, Context
from netorch.resolve import Desired
from netorch.state.key import Key, label_text
from netorch.state.plan import Step
from netorch.state.planner import plan
from netorch.state.resource import Resource
from netorch.values.requests import AddressAdd, Request, SysctlSet

_PID = "{{.State.Pid}}"
_PLAIN = re.compile(r"[^A-Za-z0-9]")


class ScriptSection(Value):
    """Commands that belong together; `about` goes above them as comments, the first line being the title."""

    about: tuple[str, ...]
    commands: tuple[str, ...]

    @property
    def title(self) -> str:
        return self.about[0]


def sections(desired: Desired, *, marks: bool = False) -> list[ScriptSection]:
    """The whole topology. `marks`: with the marks that netorch knows its own by."""
    state, also = _for_shell(desired.state)
    names = _variables(desired)
    context = context_of(
        desired, {label: f'"${name}"' for label, name in names.items()}, marks=marks
    )
    steps = plan({}, state).changes
    found = (
        [_PROTOCOLS]
        if any(
            _asks_for_protocol(request, context) for step in steps for request in step.requests()
        )
        else []
    )
    if names:
        found.append(
            ScriptSection(
                _ABOUT_ATTACHED,
                tuple(
                    f"{names[label]}={namespace_path(*desired.attached[label])}" for label in names
                ),
            )
        )
    open_title, open_commands = "", list[str]()
    written: dict[str, str] = {}
    for step in steps:
        made = _copied(step, written, step_commands(step, context, optional=step.key in also))
        if not made:
            continue
        title = _title(step, desired)
        if title != open_title and open_commands:
            found.append(ScriptSection(_about(open_title, desired), tuple(open_commands)))
            open_commands = []
        open_title = title
        open_commands += made
    if open_commands:
        found.append(ScriptSection(_about(open_title, desired), tuple(open_commands)))
    return found


def lines(desired: Desired, file: str, *, marks: bool = False) -> Iterator[str]:
    """The script, line by line."""
    yield "#!/bin/sh"
    yield f"# {printable(desired.topology)}, as netorch makes it of {printable(file)}: for root, on a machine that has nothing of it yet."
    if marks:
        yield f"# It is marked as netorch's own: `netorch destroy {desired.topology}` takes it away again."
    else:
        yield "# netorch does not know it for its own: without marks it takes none of it away."
    yield "set -eu"
    for section in sections(desired, marks=marks):
        yield ""
        yield from (f"# {line}" for line in section.about)
        yield from section.commands


def context_of(desired: Desired, ways: Mapping[str, str], *, marks: bool = False) -> Context:
    """What commands for this topology have to know. `ways`: label → the path of an attached namespace, quoted."""
    return Context(
        marks=marks,
        ways=ways,
        made=frozenset(key.netns for key in desired.state if key.kind == "netns"),
        links=frozenset(
            (link.netns, link.name) for link in desired.state.values() if isinstance(link, Link)
        ),
        fronts=frozenset(
            (key.netns, resource.bridge)
            for key, resource in desired.state.items()
            if isinstance(resource, Uplink)
        ),
        folder=desired.folder,
    )


def step_commands(step: Step, context: Context, *, optional: bool = False) -> Commands:
    """What a step does; `optional`: where its setting cannot be, it need not."""
    resource = step.resource
    own = replace(
        context, fresh=resource.KIND if step.before is None and resource.KIND == "veth" else ""
    )
    return [
        line
        for request in step.requests()
        for line in commands(_optional(request) if optional else request, own)
    ]


def commands_of(desired: Desired) -> Callable[[Sequence[Step]], Commands]:
    """What the steps of a change do, in a shell: without marks, or those where there is nothing else to it."""
    ways = {label: namespace_path(*attached) for label, attached in desired.attached.items()}
    contexts = [context_of(desired, ways, marks=marks) for marks in (False, True)]

    def said(steps: Sequence[Step]) -> Commands:
        for context in contexts:
            if found := [line for step in steps for line in step_commands(step, context)]:
                return found
        return []

    return said


def namespace_path(how: str, what: str) -> str:
    """The path of a namespace of others, quoted for a shell."""
    match how:
        case "docker" | "podman":
            return f'"/proc/$({how} inspect --format {quote(_PID)} {quote(what)})/ns/net"'
        case "pid":
            return f"/proc/{int(what)}/ns/net"
        case "netns":
            return quote(f"/run/netns/{what}")
    return quote(what)


_ABOUT_ATTACHED = (
    "namespaces of others",
    "They need no name in /run/netns: nsenter enters them by their path.",
)


_PROTOCOLS = ScriptSection(
    (
        "what this needs",
        "On links of others an address is marked by a protocol number, which ip-address(8) takes since iproute2 6.4.",
    ),
    (
        "unshare -n ip address add 127.0.0.2/32 dev lo proto 100 2>/dev/null ||"
        " { echo 'ip address knows no proto: take iproute2 6.4' >&2; exit 1; }",
    ),
)


def _asks_for_protocol(request: Request, context: Context) -> bool:
    return isinstance(request, AddressAdd) and needs_mark(request, context)


def _copied(step: Step, written: dict[str, str], made: Commands) -> Commands:
    """A file that is there already is copied."""
    resource = step.after
    if not isinstance(resource, NodeFile):
        return made
    path = f"/etc/netns/{resource.netns}/{resource.name}"
    first = written.setdefault(resource.content, path)
    return made if first == path else [*made[:-1], f"cp {quote(first)} {quote(path)}"]


def _optional(request: Request) -> Request:
    return replace(request, optional=True) if isinstance(request, SysctlSet) else request


def _for_shell(state: Mapping[Key, Resource]) -> tuple[dict[Key, Resource], frozenset[Key]]:
    """The state without what only a look at the machine tells; and the settings that need not be, by their keys."""
    settings = settings_without_filter(state, lambda paths: dict.fromkeys(paths, "1"))
    found: dict[Key, Resource] = {resource.key: resource for resource in settings}
    for key, resource in state.items():
        if isinstance(resource, PacketFilter):
            found[key] = (
                replace(resource, backend=PREFERRED) if resource.backend == AUTO else resource
            )
        elif not isinstance(resource, ForwardAccept):
            found[key] = resource
    return found, frozenset(resource.key for resource in settings)


def _variables(desired: Desired) -> dict[str, str]:
    """Label of an attached namespace → a shell variable for its path."""
    found: dict[str, str] = {}
    for label in desired.attached:
        name = f"netns_{_PLAIN.sub('_', label_text(label))}"
        while name in found.values():
            name += "_"
        found[label] = name
    return found


def _title(step: Step, desired: Desired) -> str:
    key, origin = step.key, desired.origins.get(step.key, ())
    place = label_text(key.netns)
    node = next((name for name, label in desired.labels.items() if label == key.netns), "")
    match key.kind:
        case "netns":
            return (
                f"node {place}"
                if node
                else f"{place}: a namespace for segments, without an address on the host"
            )
        case "route" | "rule":
            return f"routes of {place}"
        case "filter":
            return f"packet filter of {place}"
        case "file":
            return "names"
    match origin:
        case ("links", int(number), *_):
            return _cable(desired, number)
        case ("networks", str(network), *_):
            return f"network {network}, in {place}"
        case ("nodes", str(member), "networks", str(network), *_):
            return (
                f"network {network}, in {place}"
                if member != node
                else f"node {place} in network {network}"
            )
    return (
        f"node {place}"
        if node
        else f"{place}: a namespace for segments, without an address on the host"
    )


def _cable(desired: Desired, number: int) -> str:
    ends = [
        f"{label_text(link.netns)}:{link.name}"
        for key, origin in desired.origins.items()
        if origin[:2] == ("links", number) and isinstance(link := desired.state.get(key), Link)
    ]
    return f"link {' - '.join(dict.fromkeys(ends))}"


def _about(title: str, desired: Desired) -> tuple[str, ...]:
    about = [title]
    accepts = [
        resource for resource in desired.state.values() if isinstance(resource, ForwardAccept)
    ]
    if there := [
        accept for accept in accepts if title == f"packet filter of {label_text(accept.netns)}"
    ]:
        about.append(
            "Where iptables drops what is forwarded, as it does beside Docker, netorch also lets these through there"
            " (WAY is each interface that leads out, and not a bridge of others):"
        )
        about += [
            f"  iptables -A FORWARD {match} -j ACCEPT"
            for accept in there
            for match in _through(accept)
        ]
    return tuple(map(printable, about))


def _through(accept: ForwardAccept) -> tuple[str, ...]:
    """What passes: to members, and where the network leads out what they send; else what goes from member to member."""
    bridge = quote(accept.bridge)
    if not accept.guarded:
        return (f"-i {bridge} -o {bridge}",)
    return (f"-o {bridge}", *((f"-i {bridge} -o WAY",) if accept.leads else ()))
