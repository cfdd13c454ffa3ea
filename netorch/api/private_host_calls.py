"""The table of calls that a program makes into a private host, and the form in which topologies and
results are sent.
"""

from __future__ import annotations

from ipaddress import ip_address
from operator import index
from typing import TypeVar

import msgspec

from netorch.api import operations
from netorch.api.operations import Changes, Checks
from netorch.api.topology import Origin, Topology
from netorch.checks.probes import Outcome, Try
from netorch.kernel.namespaces.inspect import look, open_socket, wait_for_port
from netorch.kernel.private_host.calls import Call, Calls, ValueForm
from netorch.kernel.private_host.error_values import PlaceValue, place_value, position_of
from netorch.kernel.probe.echo import echo
from netorch.kernel.probe.probes import Reply
from netorch.kernel.processes import spawn
from netorch.render.changes import Change
from netorch.state.key import Key
from netorch.state.resource import Disruption
from netorch.values.snapshot import AddressRecord, LinkRecord

Struct = TypeVar("Struct", bound=msgspec.Struct)


class ChangeValue(msgspec.Struct, frozen=True):
    """A Change without its steps, which only the process that carries them out needs."""

    disruption: Disruption
    key: tuple[str, ...]
    title: str
    values: dict[str, tuple[str | None, str | None]]
    because: str
    added: tuple[str, ...]
    removed: tuple[str, ...]


class ChangesValue(msgspec.Struct, frozen=True):
    topology: str
    changes: tuple[ChangeValue, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


class TryValue(msgspec.Struct, frozen=True):
    address: str
    answered: bool
    text: str
    reply: Reply
    seconds: float | None


class OutcomeValue(msgspec.Struct, frozen=True):
    number: int
    source: str
    target: str
    passed: bool
    reachable: bool
    network: str
    tcp: int
    mtu: int
    reason: str
    seconds: float | None
    tries: tuple[TryValue, ...]
    why: tuple[str, ...]
    where: PlaceValue | None


class ChecksValue(msgspec.Struct, frozen=True):
    topology: str
    outcomes: tuple[OutcomeValue, ...]
    text: str


def pack_changes(changes: Changes) -> ChangesValue:
    return ChangesValue(
        changes.topology,
        tuple(_like(ChangeValue, change, key=tuple(change.key)) for change in changes.changes),
        changes.warnings,
        changes.notes,
    )


def unpack_changes(value: ChangesValue) -> Changes:
    changes = tuple(
        Change(**msgspec.structs.asdict(change) | {"key": Key(*change.key)})
        for change in value.changes
    )
    return Changes(value.topology, changes, value.warnings, value.notes)


def pack_checks(checks: Checks) -> ChecksValue:
    return ChecksValue(checks.topology, tuple(map(_pack_outcome, checks.outcomes)), checks.text)


def unpack_checks(value: ChecksValue) -> Checks:
    return Checks(value.topology, tuple(map(_unpack_outcome, value.outcomes)), value.text)


def _pack_outcome(outcome: Outcome) -> OutcomeValue:
    tries = tuple(_like(TryValue, entry, address=str(entry.address)) for entry in outcome.tries)
    return _like(OutcomeValue, outcome, tries=tries, where=place_value(outcome.where))


def _unpack_outcome(value: OutcomeValue) -> Outcome:
    tries = tuple(
        Try(**msgspec.structs.asdict(entry) | {"address": ip_address(entry.address)})
        for entry in value.tries
    )
    return Outcome(
        **msgspec.structs.asdict(value) | {"tries": tries, "where": position_of(value.where)}
    )


def _like(struct: type[Struct], value: object, **others: object) -> Struct:
    """Return a struct with the values in `others`, and with attributes of `value` for its other
    fields.
    """
    return struct(
        **{
            name: others[name] if name in others else getattr(value, name)
            for name in struct.__struct_fields__
        }
    )


TEXT: ValueForm[str] = ValueForm(str)
NUMBER: ValueForm[int] = ValueForm(int, index)
SECONDS: ValueForm[float] = ValueForm(float, float)
TOPOLOGY: ValueForm[Topology] = ValueForm(Origin, Topology.origin, Topology.from_origin)
CHANGES: ValueForm[Changes] = ValueForm(ChangesValue, pack_changes, unpack_changes)
CHECKS: ValueForm[Checks] = ValueForm(ChecksValue, pack_checks, unpack_checks)
LOOK: ValueForm[tuple[list[LinkRecord], list[AddressRecord]]] = ValueForm(
    tuple[list[LinkRecord], list[AddressRecord]]
)

CALLS = Calls(
    diff=Call(operations.diff, (TOPOLOGY,), CHANGES),
    converge=Call(operations.converge, (TOPOLOGY, SECONDS, ValueForm(bool)), CHANGES),
    try_checks=Call(operations.try_checks, (TOPOLOGY, SECONDS), CHECKS),
    why_not=Call(operations.why_not, (TOPOLOGY, TEXT, TEXT), ValueForm(tuple[str, ...])),
    destroy_by_name=Call(operations.destroy_by_name, (TEXT, SECONDS), CHANGES),
    set_link=Call(operations.set_link, (TEXT, TEXT, ValueForm(bool), SECONDS), CHANGES),
    impair=Call(operations.impair, (TEXT, TEXT, ValueForm(dict[str, str]), SECONDS), CHANGES),
    entrance=Call(spawn.entrance, (TEXT, TEXT, ValueForm(str | None)), None),
    open_socket=Call(open_socket, (TEXT, TEXT, NUMBER, NUMBER, NUMBER, NUMBER), None),
    wait_for_port=Call(wait_for_port, (TEXT, TEXT, TEXT, NUMBER, SECONDS), ValueForm(bool)),
    echo=Call(echo, (TEXT, TEXT, TEXT, SECONDS), ValueForm(float | None)),
    look=Call(look, (TEXT, TEXT), LOOK),
)
"""Name → the function, the forms of its arguments and of its result."""
