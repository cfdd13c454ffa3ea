"""A file as an editor sees it that knows the schema: read by YAML 1.2's core schema, and checked by a validator that is not ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from netorch.errors import FileError, Position, Problem
from netorch.language.yaml_tree import Findings, locate, parse
from netorch.resolve.loader import load
from netorch.topology.schema import schema

MEANING = {
    "what is named exists, and does once": "does not exist|There is no profile|is there twice|is here twice|is a name of|in a circle"
    "|is given to .* already|nothing makes the interface|is not an address of|have the same name",
    "what stands where": "is wired to|in another link already|both its ends|is a port of|cannot be a port|be one of|is not a port"
    "|is on top of|of kind .* itself|are both the host's|stays there|on one segment, but both|cannot both be"
    "|is the uplink of|cannot be the uplink|connects a node to|is not in|has another interface|cannot move it|moves a NIC from"
    "|is not made by this file|default route from one|two peers|both have|expects the opposite|has the neighbour",
    "addresses and subnets, which take arithmetic": "bits set to the right|is outside|no room|needs a prefix length|overlap|is left for|is in no"
    "|network or broadcast|network address of|broadcast address of|is the unspecified|multicast|is not a host's address|nobody answers|nothing can answer"
    "|is an address of|exists on every link|is not an address of one host|contradict each other|in several VRFs|has this address|no IPv[46] address|not an IPv[46] address|IPv4 and IPv6|IP versions?\\b|over IPv"
    "|turns IPv6 off|IPv6 needs|endpoints have the address|gets all frames for unknown|needs a `subnet`",
    "amounts that follow from one another": "cannot have MTU|has 1[0-9]{3}|forward delay must be|varies a delay|none does|overtake delayed|no queue|not a queue"
    "|runs backwards|comes before|ends before|differ in length|one range|not between 8bit|longer than the 2.147|VLAN [0-9]+ is there twice",
    "what one kind of interface cannot do, wherever its kind is said": "loopback interface|cannot be set on lo|cannot be set for host|cannot be called lo"
    "|`host` is|has the MAC of its parent|no MAC of its own|has no MACs|Linux itself makes|could not tell|carries no|knows no VLANs"
    "|means nothing to|whose own port|behind it there|is behind .* already|`at` is for|add `at: NODE`|bridge's own address|needs resolv.conf"
    "|have the same mode|reserved|begin with `from=`|joined on|of the bond|gets its",
    "which gateways are within reach": "closes a circle|cannot leave with|the gateway |no gateway|be a gateway|without the link|next hop|cannot have the address|is not the address of",
    "names made of others": "which Linux does not take",
    "letters that look alike": "accents in one piece",
    "the text that a substitution makes": "no variable",
    "the name of the file": "the file's name|has no file name",
}
"""Why the schema lets pass what `validate` refuses: class → what the sentences say."""
_MEANING = re.compile("|".join(f"(?:{words})" for words in MEANING.values()))

_NO_FILE = (
    "This is not YAML",
    "The file is empty",
    "The file holds no mapping",
    "control character",
    "second document",
    "UTF-8 text",
)


class _Core(yaml.SafeLoader):
    """YAML 1.2's core schema: what editors read, which is not what netorch reads in each corner."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Of a key that is there twice the first, as netorch reads it."""
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
def validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


def read(text: str) -> Any:
    """The file as JSON."""
    return _named(yaml.load(text, _Core))


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key if isinstance(key, str) else str(key): _named(item) for key, item in value.items()
        }
    return [_named(item) for item in value] if isinstance(value, list) else value


def complaints(text: str) -> list[str]:
    """What the schema says against a file, each with its place."""
    return [_told(error) for error in validator().iter_errors(read(text))]


def _told(error: ValidationError) -> str:
    deepest = max(_leaves(error), key=lambda leaf: len(leaf.absolute_path))
    return f"{'.'.join(map(str, deepest.absolute_path))}: {deepest.message}"


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    yield error
    for inner in error.context or ():
        yield from _leaves(inner)


def places(text: str) -> set[Position | None]:
    """Where the schema complains of a file."""
    tree = parse(text.encode(), Findings())
    found: set[Position | None] = set()
    for error in validator().iter_errors(read(text)):
        for leaf in _leaves(error):
            path: list[str | int] = list(leaf.absolute_path)
            found.add(locate(tree, path))
            if leaf.validator == "additionalProperties":
                found |= {locate(tree, [*path, key]) for key in leaf.instance}
            elif leaf.validator in {"propertyNames", "pattern"} and isinstance(leaf.instance, str):
                found.add(locate(tree, [*path, leaf.instance]))
    return found


def problems(text: str, file: str = "lab.yaml") -> list[Problem]:
    """What `validate` says against it."""
    try:
        load(text.encode(), file)
    except FileError as error:
        return list(error.problems)
    return []


def let_pass(text: str, found: list[Problem]) -> list[str]:
    """What is wrong by its shape, and the schema has nothing against. What is not YAML, or no mapping, it never sees."""
    shape = [problem for problem in found if not _MEANING.search(problem.what)]
    if not shape or any(words in problem.what for problem in shape for words in _NO_FILE):
        return []
    there = places(text)
    return [problem.what for problem in shape if problem.where not in there]
