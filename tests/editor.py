"""A topology file as an editor that knows the schema sees it.

The file is read by YAML 1.2's core schema and checked by the validator of the package jsonschema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from netorch.errors import FileError, Position, Problem
from netorch.language.spans import Spans
from netorch.language.yaml_tree import Findings, locate, parse
from netorch.resolve.loader import load
from netorch.topology.schema import schema

MEANING = {
    "a name exists, and only once": "does not exist|has no (?:interface|bridge|VRF)|There is no profile|appears twice|is already a name of|in a circle"
    "|is given to .* already|publishes .* already|nothing makes the interface|is not an address of|have the same name",
    "how objects may be combined": "is already connected to|no link can end there|already in another link|both its ends|is a port of|cannot be a port|be one of|is not a port"
    "|is on top of|of kind .* itself|are both the host's|stays there|on one segment, but both|cannot both be"
    "|is the uplink of|cannot be the uplink|connects a node to|is not in|has another interface|cannot move it|moves a NIC from"
    "|needs hosts files|in which the host has|cannot be set for|belongs to a link or a|already the interface in network|no second name|no interfaces of its own|cannot have groups|a network with groups|is not made by this file|the file makes|exists in it already|default route from one|two peers|both have|expects the opposite|is not a member of|is not an endpoint of|is not one of the networks|has the neighbour",
    "arithmetic on addresses and subnets": "bits set to the right|is outside|no room|needs a prefix length|overlap|is left for|is in no"
    "|network or broadcast|network address of|broadcast address of|is the unspecified|multicast|is not a host's address|nobody answers|nothing can answer"
    "|is an address of|exists on every link|is not an address of one host|contradict each other|in several VRFs|has this address|no IPv[46] address|not an IPv[46] address|IPv4 and IPv6|IP versions?\\b|over IPv"
    "|turns IPv6 off|IPv6 needs|endpoints have the address|gets all frames for unknown|needs a `subnet`"
    "|no subnet is free in|not a prefix length between|no room for a subnet|has `auto6?` twice",
    "which machine something is on": "needs a machine|is open which machine|has no `public_key`|have the same public key|has the name of the WireGuard|tunnel uses only one|has members on|is on rack|is on none of|has no `hosts`|must be on one machine"
    "|are the same: write one|are of different IP|an IPv[46] address|at which other machines|at which the tunnels|isolated, but the tunnel|would have the VNI|of all machines together have|endpoint .* is on",
    "numbers that depend on each other": "cannot have MTU|has 1[0-9]{3}|forward_delay` must be|varies the delay|none waits|overtake delayed|belongs to a `rate`|for a `rate` alone|smaller than a full packet|274 seconds|4 GB or more|between 1 byte and 4g|no queue|not a queue"
    "|comes before|ends before|differ in length|is free, because|one range|not between 8bit|longer than 2.147|VLAN [0-9]+ appears twice",
    "what a kind of interface cannot do, when its kind is given elsewhere": "loopback interface|cannot be set for host|cannot be called lo"
    "|`host` is|has the MAC of its parent|no MAC of its own|has no MACs|Linux itself makes|could not tell|carries no|knows no VLANs"
    "|means nothing to|whose own port|behind it there|is behind .* already|`at` is for|add `at: NODE`|bridge's own address|needs resolv.conf"
    "|have the same mode|reserved|begin with `from=`|joined on|of the bond|gets its",
    "gateways that cannot be reached": "closes a circle|cannot leave with|the gateway |no gateway|be a gateway|without the link|next hop|cannot have the address|is not the address of",
    "names that netorch makes from other names": "which Linux does not allow",
    "flags that a kind cannot have": "Linux itself chooses|leaves the flags of a NIC",
    "what an encapsulation needs of its route and its node": "implicit null|can add at most"
    "|at most [0-9]+ segments|needs a destination of IPv6|segments to IPv6 packets only"
    "|no VRF with the table|VRF has a table of its own",
    "text on one line": "one line of printable text",
    "routes that a network gives": "two routes to|default route of members",
    "rules of a packet filter": "have ports, and protocol|have a `type`, and protocol|has no type |has several values, so|is a node and a network"
    "|that the rule could mean|that the file does not know|has several addresses of|`filter` is for nodes|the list of .* is empty|combinations of its values",
    "numbers with gaps": "multiple of 4|is at most 32|range of user IDs",
    "letters that look alike": "combining accents",
    "the text after substitution": "no variable|is set, but the file",
    "the name of the file": "the file's name|has no file name",
}
"""Reasons why the schema accepts what `validate` refuses: reason → pattern of the messages."""
_MEANING = re.compile("|".join(f"(?:{words})" for words in MEANING.values()))

_NO_FILE = (
    "The file is not YAML",
    "which is not a topology of netorch",
    "The file is empty",
    "The file is not a mapping",
    "control character",
    "second document",
    "UTF-8 text",
)


class _Core(yaml.SafeLoader):
    """YAML 1.2's core schema, which editors use. netorch reads some corner cases differently."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Use the first value of a repeated key, as netorch does."""
        first = {str(key.value): (key, value) for key, value in reversed(node.value)}
        node.value = list(reversed(first.values()))
        return super().construct_mapping(node, deep)

    def number(self, node: Any) -> float:
        text = str(self.construct_scalar(node))
        return int(text, 0) if text.startswith(("0x", "0o")) else int(text)


for _tag, _pattern in (
    ("null", r"(?:~|null|Null|NULL|)"),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)"),
    ("int", r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)"),
    ("float", r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"),
    ("merge", r"<<"),
):
    _Core.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^{_pattern}$"), None)
_Core.add_constructor("tag:yaml.org,2002:int", _Core.number)
_Core.add_constructor(
    "tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node))
)


@cache
def validator() -> Draft7Validator:
    return Draft7Validator(schema())


def read(text: str) -> Any:
    """Return the file as a JSON value."""
    return _named(yaml.load(text, _Core))


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key if isinstance(key, str) else str(key): _named(item) for key, item in value.items()
        }
    return [_named(item) for item in value] if isinstance(value, list) else value


def complaints(text: str) -> list[str]:
    """Return the schema's errors about a file, each with its path."""
    return [_with_path(error) for error in validator().iter_errors(read(text))]


def _with_path(error: ValidationError) -> str:
    deepest = max(_leaves(error), key=lambda leaf: len(leaf.absolute_path))
    return f"{'.'.join(map(str, deepest.absolute_path))}: {deepest.message}"


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    yield error
    for inner in error.context or ():
        yield from _leaves(inner)


def places(text: str) -> set[Position | None]:
    """Return the positions in the file that the schema complains about."""
    tree = parse(text.encode(), Findings())
    positions: set[Position | None] = set()
    for error in validator().iter_errors(read(text)):
        for leaf in _leaves(error):
            path: list[str | int] = list(leaf.absolute_path)
            positions.add(locate(tree, path))
            if leaf.validator == "additionalProperties":
                positions |= {locate(tree, [*path, key]) for key in leaf.instance}
            elif leaf.validator in {"propertyNames", "pattern"} and isinstance(leaf.instance, str):
                positions.add(locate(tree, [*path, leaf.instance]))
    return positions


def problems(text: str, file: str = "lab.yaml") -> list[Problem]:
    """Return the problems that `validate` reports."""
    try:
        load(text.encode(), file)
    except FileError as error:
        return list(error.problems)
    return []


def let_pass(text: str, reported: list[Problem]) -> list[str]:
    """Return the problems in the shape of a file that the schema does not report.

    Text that is not YAML, or not a mapping, never reaches the schema, so it is left out.
    """
    shape = [problem for problem in reported if not _MEANING.search(problem.what)]
    if not shape or any(words in problem.what for problem in shape for words in _NO_FILE):
        return []
    positions = places(text)
    spans = Spans(text.encode())
    parts = [span for place in positions if place for span in spans.parts(place)]
    return [
        problem.what
        for problem in shape
        if problem.where not in positions
        and not any(start <= problem.where < end for start, end in parts if problem.where)
    ]
