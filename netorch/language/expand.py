"""Expand a tree: replace variables and ranges, and merge defaults and profiles.

In the result, each node, network, link and check has its own entry with all its keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import starmap
from typing import Any, NamedTuple, TypeVar

from netorch.errors import Position, Suggestions
from netorch.language.ranges import expand_entry, split, with_items
from netorch.language.variables import Substitution, Wrong, usable
from netorch.language.yaml_tree import Findings, Map, Seq, expandable, quote, retype, seal
from netorch.values.limits import MAX_BYTES, MAX_DEPTH, MAX_VALUES

NAME_LISTS = ("networks", "ports", "aliases", "from", "to", "all")
"""Keys that take a list of names. The items of such a list may be ranges."""
_Node = TypeVar("_Node", Map, Seq)
_DEFAULTS = ("node", "network", "link")


_EXAMPLES = {"vars": "NAME: VALUE", "profiles": "NAME: {…}", "defaults": "node: {…}"}
"""Section → what can stand in it."""


class Layer(NamedTuple):
    """A value of the file before expansion. In a list, later layers override earlier ones."""

    value: Any
    i: str | None
    """The value of `$(i)` in this layer, None outside a range."""


def expand(tree: Map, variables: Mapping[str, str], into: Findings | None = None) -> Map:
    """Return the tree with everything expanded except `defaults.interface`.

    `variables` override the file's `vars`. Positions are those of the original text. Parts that
    need no expansion are shared with the original tree.
    Raises FileError with all problems. If `into` is given, the problems are added to it instead,
    and the values with problems stay as they are.
    """
    findings = into or Findings()
    result = _Expansion(tree, variables, findings).run()
    if into is None:
        findings.done()
    return result


class _Expansion:
    def __init__(self, tree: Map, variables: Mapping[str, str], findings: Findings) -> None:
        self.tree, self.findings = tree, findings
        self.values = self.chars = 0
        right, broken = usable(self.section("vars"), variables, findings)
        self.suggestions = Suggestions()
        self.substitution = Substitution(right, variables, self.complain, self.suggestions, broken)
        self.defaults = self.section("defaults")
        self.profiles: dict[str, Layer] = {}
        self.clashes: set[tuple[int, str, str]] = set()

    def run(self) -> Map:
        tree, out = self.tree, Map(self.tree.at)
        self.check_expanded_size(tree)
        base = {name: self.defaults_of(name) for name in _DEFAULTS}
        self.read_profiles()
        for key, value in tree.items():
            if key not in ("vars", "profiles"):
                done = self.part(key, value, tree.where[key], base)
                if done or key != "defaults":
                    out[key], out.where[key] = done, tree.where[key]
        return self.finished(out)

    def part(self, key: str, value: object, at: Position, base: dict[str, list[Layer]]) -> object:
        if isinstance(value, Map):
            if key == "defaults":
                return self.mapping([Layer(_without(value, _DEFAULTS), None)])
            if key == "nodes":
                return self.entries(value, lambda own: self.node_layers(base["node"], own))
            if key == "networks":
                return self.entries(
                    value, lambda own: [*_with_range_value(own.i, base["network"]), own], skip=""
                )
        elif isinstance(value, Seq) and key in ("links", "checks"):
            return self.rows(value, base["link"] if key == "links" else [], links=key == "links")
        return self.value(value, None, at, key)

    # Sections that the rest of the file refers to

    def section(self, name: str) -> Map:
        value = self.tree.get(name)
        if isinstance(value, Map):
            return value
        at = self.tree.where.get(name, self.tree.at)
        if value is not None:
            self.findings.add(
                "not-a-mapping",
                f"{name!r} must be a mapping.",
                at,
                f"Write `{name}: {{{_EXAMPLES[name]}}}`.",
                name,
            )
        return Map(at)

    def defaults_of(self, name: str) -> list[Layer]:
        value = self.defaults.get(name)
        if value is not None and not isinstance(value, Map):
            self.findings.add(
                "not-a-mapping",
                f"'defaults.{name}' must be a mapping.",
                self.defaults.where[name],
                object=f"defaults.{name}",
            )
        return [Layer(value, None)] if isinstance(value, Map) else []

    def read_profiles(self) -> None:
        section = self.section("profiles")
        written: dict[str, str] = {}
        for key, value in section.items():
            at = section.where[key]
            if value is not None and not isinstance(value, Map):
                self.findings.add(
                    "not-a-mapping",
                    f"The profile {quote(key)} is not a mapping.",
                    at,
                    object=f"profiles.{key}",
                )
            layer = Layer(value if isinstance(value, Map) else Map(at), None)
            for name, i in self.names(key, None, at):
                if self.claim(written, name, key, section):
                    self.profiles[name] = layer._replace(i=i)
        for name, layer in self.profiles.items():
            # If the parents depend on $(i), they are checked when a node uses the profile.
            if isinstance(layer.value, Map) and "$" not in str(layer.value.get("profile")):
                self.collect_profiles(layer, {}, (name,))

    def collect_profiles(
        self, layer: Layer, profiles: dict[str, Layer], chain: tuple[str, ...]
    ) -> None:
        """Add the profiles that a node or profile uses to `profiles`, parents first, each once."""
        for name, at in self.profile_names(layer):
            profile = self.profiles.get(name)
            if name in chain:
                circle = " -> ".join([*chain[chain.index(name) :], name])
                self.findings.add(
                    "circle",
                    f"The profiles use each other in a circle: {circle}.",
                    at,
                    object=name,
                )
            elif profile is None:
                guess = (
                    self.suggestions.did_you_mean(name, self.profiles) if len(name) < 100 else ""
                )
                self.findings.add(
                    "unknown-profile",
                    f"There is no profile {quote(name)}.",
                    at,
                    guess or "Declare it under profiles.",
                    object=name,
                )
            elif len(chain) >= MAX_DEPTH:
                self.findings.add(
                    "too-deep",
                    f"Profiles use each other more than {MAX_DEPTH} levels deep.",
                    at,
                    object=name,
                )
            elif name not in profiles:
                # $(i) in a profile is that of the node that uses it, unless the profile's own name
                # is a range.
                profile = profile if profile.i is not None else profile._replace(i=layer.i)
                self.collect_profiles(profile, profiles, (*chain, name))
                profiles[name] = profile

    def profile_names(self, layer: Layer) -> Iterator[tuple[str, Position]]:
        if not isinstance(layer.value, Map) or "profile" not in layer.value:
            return
        value, at = layer.value["profile"], layer.value.where["profile"]
        pairs = (
            list(zip(value, value.where, strict=True))
            if isinstance(value, Seq)
            else []
            if value is None
            else [(value, at)]
        )
        for name, place in pairs:
            if isinstance(name, str):
                text = self.text(name, layer.i, place)
                if text is not None:
                    yield text, place
            elif isinstance(name, int) and str(name) in self.profiles:
                yield str(name), place
            else:
                self.findings.add(
                    "bad-profile", "'profile' must be a name or a list of names.", place
                )

    def node_layers(self, base: list[Layer], own: Layer) -> list[Layer]:
        # what nodes have by default is not for a node that shares the namespace of another one
        attach = own.value.get("attach")
        shares = isinstance(attach, str) and attach.startswith("node:")
        base = [] if shares else _with_range_value(own.i, base)
        profiles: dict[str, Layer] = {}
        self.collect_profiles(own if "profile" in own.value or not base else base[0], profiles, ())
        return [*base, *profiles.values(), own]

    # Mappings and lists

    def entries(
        self, raw: Map, layers_of: Callable[[Layer], list[Layer]], skip: str = "profile"
    ) -> Map:
        """Expand nodes or networks: merge each entry over its defaults and profiles."""
        out, written = Map(raw.at), dict[str, str]()
        for key, value in raw.items():
            at = raw.where[key]
            own = Map(at) if value is None else value
            done: dict[tuple[int, ...], Map] = {}
            for name, i in self.names(key, None, at):
                if not self.claim(written, name, key, raw):
                    continue
                out.where[name] = at
                if not isinstance(own, Map):
                    out[name] = self.value(own, i, at, name)
                    continue
                layers = layers_of(Layer(own, i))
                if any(layer.value.needs_expansion for layer in layers):
                    out[name] = self.mapping(layers, skip)
                    continue
                # Without $(…) in any layer, all entries of a range are equal, so they share one
                # mapping.
                same = tuple(id(layer.value) for layer in layers)
                if same in done:
                    out[name] = self.shared(done[same])
                else:
                    out[name] = done[same] = self.mapping(layers, skip)
        return self.finished(out)

    def mapping(self, layers: list[Layer], skip: str = "") -> Map:
        """Merge mappings. Later ones override earlier ones, and each has its own `$(i)`."""
        last: Map = layers[-1].value
        if len(layers) == 1 and not last.needs_expansion and skip not in last:
            return self.shared(last)
        out = Map(last.at)
        if len(layers) == 1 and skip not in last and not any(map(expandable, last)):
            i, out.where = layers[0].i, last.where
            for key, value in last.items():
                out[key] = self.value(value, i, out.where[key], key)
            return self.finished(out)
        layers_by_key: dict[str, list[Layer]] = {}
        for raw, i in layers:
            written: dict[str, str] = {}
            for key, value in raw.items():
                if skip and key == skip:
                    continue
                at = raw.where[key]
                for name, inner in self.names(key, i, at):
                    if self.claim(written, name, key, raw):
                        layers_by_key.setdefault(name, []).append(Layer(value, inner))
                        out.where[name] = at
        for name, key_layers in layers_by_key.items():
            start = len(key_layers) - 1
            while (
                start
                and isinstance(key_layers[start].value, Map)
                and isinstance(key_layers[start - 1].value, Map)
            ):
                start -= 1
            merged = isinstance(key_layers[-1].value, Map)
            out[name] = (
                self.mapping(key_layers[start:])
                if merged
                else self.value(*key_layers[-1], out.where[name], name)
            )
        return self.finished(out)

    def value(self, raw: object, i: str | None, at: Position, key: str) -> object:
        if isinstance(raw, Map):
            return self.mapping([Layer(raw, i)])
        if isinstance(raw, Seq):
            return self.sequence(raw, i, names=key in NAME_LISTS)
        if not isinstance(raw, str):
            self.count(1, 0)
            return raw
        text = self.text(raw, i, at) if "$" in raw else raw
        self.count(1, len(text or ""))
        return raw if text is None or text is raw else retype(text)

    def sequence(self, raw: Seq, i: str | None, names: bool) -> Seq:
        if not raw.needs_expansion:
            return self.shared(raw)
        out = Seq(raw.at)
        for item, at in zip(raw, raw.where, strict=True):
            ranged = (
                self.expand_range(item, i, at) if names and isinstance(item, str) else [(item, i)]
            )
            for each, inner in ranged:
                out.append(self.value(each, inner, at, ""))
                out.where.append(at)
        return self.finished(out)

    def rows(self, raw: Seq, base: list[Layer], links: bool) -> Seq:
        """Expand links or checks: an entry with ranges becomes one entry for each value.

        If an entry has several ranges, they advance together.
        """
        out = Seq(raw.at)
        for entry, at in zip(raw, raw.where, strict=True):
            for own in self.row_layers(_long_link(entry) if links else entry, at, links):
                merges = isinstance(own.value, Map)
                out.append(
                    self.mapping([*_with_range_value(own.i, base), own])
                    if merges
                    else self.value(*own, at, "")
                )
                out.where.append(at)
        return self.finished(out)

    def row_layers(self, entry: Any, at: Position, links: bool) -> Iterable[Layer]:
        if not isinstance(entry, Map):
            return [Layer(entry, None)]
        try:
            count, layers = expand_entry(
                entry, self.substitution.text, "endpoints" if links else ""
            )
        except Wrong as wrong:
            self.complain(wrong, at)
            return []
        self.check_size(count * entry.size, at)
        return starmap(Layer, layers)

    # Texts

    def complain(self, wrong: Wrong, at: Position) -> None:
        if wrong.code:
            self.findings.add(wrong.code, wrong.what, at, wrong.remedy)

    def text(self, raw: str, i: str | None, at: Position) -> str | None:
        try:
            return self.substitution.text(raw, i)
        except Wrong as wrong:
            self.complain(wrong, at)
            return None

    def expand_range(self, text: str, i: str | None, at: Position) -> list[tuple[str, str | None]]:
        """Return the texts to which a range in a name expands, each with its `$(i)`.

        Other `$(…)` in the texts are not replaced yet.
        """
        if "[" not in text:
            return [(text, i)]
        try:
            pieces = split(text, lambda bound: self.substitution.text(bound, i))
        except Wrong as wrong:
            self.complain(wrong, at)
            return []
        if len(pieces) > 3:
            self.findings.add(
                "bad-range",
                f"{quote(text)} has more than one range.",
                at,
                "Use one range in a name.",
                object=text,
            )
        elif len(pieces) == 3:
            before, values, after = pieces
            self.check_size(len(values), at)
            return [(f"{before}{value}{after}", value) for value in values]
        else:
            return [(text, i)]
        return []

    def names(self, key: str, i: str | None, at: Position) -> Iterable[tuple[str, str | None]]:
        """Return the names to which a key expands, each with the value of `$(i)` in its entry."""
        if not expandable(key):
            return ((key, i),)
        pairs = self.expand_range(key, i, at)
        if "$" not in key:
            return pairs
        texts = ((self.text(raw, inner, at), inner) for raw, inner in pairs)
        return [(text, inner) for text, inner in texts if text is not None]

    def claim(self, written: dict[str, str], name: str, key: str, raw: Map) -> bool:
        """Return whether no other key of the mapping expands to the name, else add a problem.

        `written` has the key for each name so far.
        """
        other = written.setdefault(name, key)
        if other == key:
            return True
        pair = (id(raw), other, key)
        if pair not in self.clashes:
            self.clashes.add(pair)
            keys = " and ".join(f"{quote(k)} in line {raw.where[k].line}" for k in (other, key))
            self.findings.add(
                "duplicate-key",
                f"{keys} both expand to {quote(name)}.",
                max(raw.where[other], raw.where[key]),
                "Remove one of them.",
                object=name,
            )
        return False

    # Size

    def shared(self, node: _Node) -> _Node:
        self.count(node.size, node.chars)
        return node

    def finished(self, node: _Node) -> _Node:
        seal(node)
        node.needs_expansion = False
        self.count(1, sum(map(len, node)) if isinstance(node, Map) else 0)
        return node

    def count(self, values: int, chars: int) -> None:
        self.values += values
        self.chars += chars
        if self.values > MAX_VALUES or self.chars > MAX_BYTES:
            self.check_size(0, self.tree.at)

    def check_size(self, values: int, at: Position) -> None:
        """Stop with an error if the result so far and this many more values are too many."""
        if self.values + values > MAX_VALUES:
            self.findings.stop(
                "too-many-values",
                f"The file expands to more than {MAX_VALUES:,} values.",
                at,
                "Check the ranges.",
            )
        if self.chars > MAX_BYTES:
            self.findings.stop(
                "too-many-values",
                f"The file expands to more than {MAX_BYTES // 10**6} MB.",
                at,
                "Check the ranges.",
            )

    def check_expanded_size(self, node: Map | Seq) -> int:
        """Return the number of values after ranges in keys expand. Merged values do not count.

        Stop with an error if they are too many.
        """
        if not node.needs_expansion:
            return node.size
        total = 1
        if isinstance(node, Seq):
            return total + sum(
                self.check_expanded_size(item) if isinstance(item, (Map, Seq)) else 1
                for item in node
            )
        for key, value in node.items():
            count = 1
            if "[" in key:
                with suppress(Wrong):  # the expansion reports it later
                    for piece in split(key, self.substitution.text):
                        count *= 1 if isinstance(piece, str) else len(piece)
            total += count * (
                self.check_expanded_size(value) if isinstance(value, (Map, Seq)) else 1
            )
            if total > MAX_VALUES:
                self.check_size(total, node.where[key])
        return total


def _with_range_value(i: str | None, layers: list[Layer]) -> list[Layer]:
    """Return the layers with the `$(i)` of the entry for which they are the defaults."""
    return [Layer(layer.value, i) for layer in layers]


def _without(node: Map, keys: Iterable[str]) -> Map:
    rest = with_items(node, ((key, value) for key, value in node.items() if key not in keys))
    seal(rest)
    return rest


def _long_link(entry: Any) -> Any:
    if not isinstance(entry, Seq):
        return entry
    link = Map(entry.at)
    link["endpoints"], link.where["endpoints"] = entry, entry.at
    seal(link)
    return link
