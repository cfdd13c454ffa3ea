"""Generate the parts of the pages that come from the code.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`:

- the tables of keys in language.md and kinds.md, from the models;
- the script in explain.md, from the topology file that it shows;
- the commands in man.md, from the parser;
- the error codes in errors.md, from their table;
- the metrics in howto/dashboards.md, from their table.

    python docs/generate.py           write the pages
    python docs/generate.py --check   exit with 1 if a page is out of date

A table has the keys that a model adds to its base models, spelled as in the topology file. The
last parentheses of a description hold the default of the key: `"Packets (1000)."`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from inspect import getclosurevars
from itertools import starmap
from pathlib import Path
from textwrap import fill
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

DOCS = Path(__file__).resolve().parent
PAGES = tuple(
    DOCS / f"{name}.md"
    for name in ("language", "kinds", "explain", "man", "errors", "howto/dashboards")
)
sys.path.insert(0, str(DOCS.parent))

from docs.live import effect, sample  # noqa: E402
from docs.manual import manual  # noqa: E402
from netorch import topology  # noqa: E402
from netorch.errors.codes import AREAS, Code  # noqa: E402
from netorch.language import publish  # noqa: E402
from netorch.language.impair_model import ImpairModel  # noqa: E402
from netorch.language.model import Model as BaseModel  # noqa: E402
from netorch.render.script import whole_topology  # noqa: E402
from netorch.resolve.loader import load  # noqa: E402
from netorch.topology import encaps, filters  # noqa: E402
from netorch.topology.hosts import HostModel  # noqa: E402
from netorch.topology.interfaces.bridge_settings import BridgeSettings  # noqa: E402
from netorch.topology.interfaces.common import (  # noqa: E402
    AddressModel,
    CommonModel,
    InterfaceModel,
    NeighbourModel,
)
from netorch.topology.interfaces.fdb import FdbModel  # noqa: E402
from netorch.topology.interfaces.peer import PeerModel  # noqa: E402
from netorch.topology.interfaces.port import PortFdbModel, PortModel, PortVlanModel  # noqa: E402
from netorch.topology.late import LateModel  # noqa: E402
from netorch.topology.networks import NetworkRouteModel  # noqa: E402
from netorch.topology.pools import PoolModel  # noqa: E402
from netorch.topology.tunnels import TunnelsModel  # noqa: E402
from netorch.watch.metrics import FAMILIES  # noqa: E402

Model = type[BaseModel]

MODELS: dict[str, Model] = {
    "top level": topology.TopologyFile,
    "host": HostModel,
    "tunnels": TunnelsModel,
    "defaults": topology.Defaults,
    "node": topology.NodeModel,
    "interface common": CommonModel,
    "interface": InterfaceModel,
    "bridge settings": BridgeSettings,
    "port": PortModel,
    "port vlan": PortVlanModel,
    "port fdb": PortFdbModel,
    "address": AddressModel,
    "impair": ImpairModel,
    "route": topology.RouteModel,
    "next hop": topology.HopModel,
    "encap": encaps.EncapModel,
    "encap seg6": encaps.Seg6Model,
    "encap seg6local": encaps.Seg6LocalModel,
    "encap ip": encaps.IpEncapModel,
    "encap ip6": encaps.Ip6EncapModel,
    "rule": topology.RuleModel,
    "dns": topology.DnsModel,
    "membership": topology.Membership,
    "network": topology.NetworkModel,
    "pool": PoolModel,
    "network route": NetworkRouteModel,
    "link": topology.LinkModel,
    "endpoint": topology.EndpointModel,
    "check": topology.CheckModel,
    "backend": topology.Backend,
    "wireguard peer": PeerModel,
    "publish": publish.PublishModel,
    "nat": publish.NatModel,
    "masquerade": publish.MasqueradeModel,
    "snat": publish.SnatModel,
    "dnat": publish.DnatModel,
    "filter": filters.FilterModel,
    "filter rule": filters.FilterRuleModel,
    "filter policy": filters.FilterPolicyModel,
}
"""The model of each block with a table of keys.

Two more blocks have tables: `kinds` has a heading and a table for each registered kind of
interface, and `common changes` has the keys that all kinds share.
"""

BASES = (CommonModel, InterfaceModel, BridgeSettings)
"""Models with a table of their own. The tables of their subclasses do not repeat these keys."""

EXPANDED: dict[str, list[tuple[str, str, str, str]]] = {
    "top level": [
        (
            "vars",
            "mapping of names to values",
            "",
            "Values for `$(name)`, see [Variables](#variables).",
        ),
        (
            "profiles",
            "mapping of names to partial nodes",
            "",
            "What nodes take with `profile`, see [Profiles](#profiles).",
        ),
    ],
    "defaults": [
        ("node", "partial [node](#nodes)", "", "Values for every node."),
        ("network", "partial [network](#networks)", "", "Values for every network."),
        ("link", "partial [link](#links)", "", "Values for every link."),
    ],
    "node": [
        (
            "profile",
            "name, or a list of names",
            "",
            "Profiles that the node takes; a later one overrides an earlier one.",
        )
    ],
}
"""Further rows of a block (key, type, default, meaning) for keys that no model has.

netorch resolves these keys in the YAML tree, before it makes models of it.
"""

TYPES = {
    "interface_name": "interface name",
    "node_name": "node name",
    "machine_name": "machine name",
    "host_name": "DNS name",
    "topology_name": "topology name",
    "prefix_name": "text",
    "address": "IP address",
    "ipv4_address": "IPv4 address",
    "ipv6_address": "IPv6 address",
    "mpls_words": "label, list of labels, or `{labels, ttl}`",
    "router_address": "IP address",
    "host_address": "IP address, or `host-gateway`",
    "interface_address": "address with prefix length",
    "member_address": "address",
    "network": "subnet",
    "subnet_or_auto": "subnet, `auto`, `auto6`",
    "pool_words": "subnet, or [pool](#chosen-subnets)",
    "destination": "`default`, subnet or address",
    "mac": "MAC address",
    "forwarding_mac": "MAC address",
    "ttl": "integer, 0 to 255, or `inherit`",
    "key_number": "number",
    "line_text": "text",
    "sysctl_name": "sysctl",
    "sysctl_value": "value",
    "boolean": "true or false",
    "time": "time",
    "percentage": "percentage",
    "bitrate": "rate",
    "size": "size",
    "existing_namespace": "`HOW:WHAT`",
    "membership_words": "list of network names, or mapping of them to [memberships](#membership)",
    "_interface": "[interface](#interfaces)",
    "_gateway": "IP address or node name",
    "member_destination": "subnet or address",
    "endpoint": "`NODE:IF` or [endpoint](#endpoints)",
    "port_vlan": "VLAN, range `20-30`, or [`{id, untagged}`](#ports-of-a-bridge)",
    "vlan_range": "VLAN or range",
    "port_mac": "MAC address, or [`{mac, vlan}`](#ports-of-a-bridge)",
    "address_words": "address with prefix length, or [address](#addresses)",
    "link": "[link](#links)",
    "modes_by_family": "`segment`, `host-only`, `nat`, `routed`, `bridged`, or `{v4: …, v6: …}`",
    "publish_words": "`[[HOST_IP:][PORT]:]PORT[/PROTO]`, or [publish](#published-ports)",
    "interface_match": "interface name, or `!NAME`",
    "ip_protocol": "protocol",
    "packet_end": "subnet, address or name",
    "icmp_type": "name, or integer, 0 to 255",
    "rule_comment": "text",
    "ways": "[filter](#filter-in-a-node)",
    "user_range": "user ID, or range `1000-1999`",
    "type_of_service": "integer, 4 to 252",
    "ports": "port, or range `8000-8010`",
    "target": "`ADDRESS[:PORT]`",
    "account": "name or number",
    "firewall_mark": "mark, or `MARK/MASK`",
    "key_file": "path",
    "key_text": "public key",
    "address_and_port": "`ADDRESS:PORT`",
}
"""The type that each validating function accepts, in words."""

PLACES: dict[Model, str] = {
    NeighbourModel: "`{address, mac}`",
    FdbModel: "`{mac, dst}`",
    PortModel: "[port](#ports-of-a-bridge)",
    topology.NodeModel: "[node](#nodes)",
    topology.NetworkModel: "[network](#networks)",
    topology.Membership: "[membership](#membership)",
    topology.RouteModel: "[route](#routes)",
    topology.HopModel: "[next hop](#routes)",
    encaps.EncapModel: "[encapsulation](#encapsulation)",
    encaps.Seg6Model: "[SRv6](#encapsulation)",
    encaps.Seg6LocalModel: "[SRv6 end](#encapsulation)",
    encaps.IpEncapModel: "[header](#encapsulation)",
    encaps.Ip6EncapModel: "[header](#encapsulation)",
    topology.RuleModel: "[rule](#rules)",
    topology.DnsModel: "[dns](#names-inside-the-nodes)",
    topology.CheckModel: "[check](#checks)",
    topology.Defaults: "[defaults](#defaults)",
    topology.Backend: "[backend](#backend)",
    publish.NatModel: "[translation](#nat-in-a-node)",
    publish.MasqueradeModel: "[masquerade](#nat-in-a-node)",
    publish.SnatModel: "[snat](#nat-in-a-node)",
    publish.DnatModel: "[dnat](#nat-in-a-node)",
    filters.FilterModel: "[filter](#filter-in-a-node)",
    filters.FilterRuleModel: "[rule](#filter-in-a-node)",
    filters.FilterPolicyModel: "[policy](#filter-in-a-node)",
    CommonModel: "partial [interface](#interfaces)",
    ImpairModel: "[impairment](#impairments)",
    PeerModel: "[peer](#wireguard)",
}
"""A link to the table of each model."""


def main() -> int:
    old = {page: page.read_text(encoding="utf-8") for page in PAGES}
    missing = {*MODELS, "kinds", "common changes", "commands", "codes", "metrics"} - {
        name for text in old.values() for name in re.findall(r"<!-- generated: ([^>]*?) -->", text)
    }
    if missing:
        print(f"no page has the blocks {', '.join(sorted(missing))}", file=sys.stderr)
        return 1
    pattern = re.compile(r"(<!-- generated: ([^>]*?) -->\n).*?(<!-- end -->)", re.S)
    new = {
        page: pattern.sub(lambda match: f"{match[1]}{block(match[2])}{match[3]}", text)
        for page, text in old.items()
    }
    outdated = [page for page in PAGES if new[page] != old[page]]
    if "--check" not in sys.argv[1:]:
        for page in outdated:
            page.write_text(new[page], encoding="utf-8")
    elif outdated:
        names = " and ".join(f"docs/{page.name}" for page in outdated)
        print(
            f"{names}: out of date. Run `python docs/generate.py` and commit what it writes",
            file=sys.stderr,
        )
        return 1
    return 0


def block(name: str) -> str:
    """Return the text between the markers of a block."""
    if name == "commands":
        return f"\n{manual()}\n"
    if name == "codes":
        return "\n" + "\n".join(starmap(codes_block, AREAS)) + "\n"
    if name == "metrics":
        return f"\n{metrics_block()}\n"
    if name == "kinds":
        return "\n" + "\n".join(kind_block(kind, model) for kind, model in topology.models()) + "\n"
    if name == "common changes":
        common = [key for key in InterfaceModel.model_fields if key != "kind"]
        return "\n" + changes(None, InterfaceModel, common) + "\n"
    if name.startswith("script "):
        return script(f"topologies/{name.removeprefix('script ')}.yaml")
    model = MODELS[name]
    rows = [*EXPANDED.get(name, ()), *rows_of(model)]
    return "\n" + table(rows) + "\n"


def metrics_block() -> str:
    """Return the table of the metrics of `watch`."""
    rows = [
        f"| `{family.name}` | {family.kind} | {', '.join(family.labels)} | {family.help} |"
        for family in FAMILIES
    ]
    return "\n".join(["| metric | type | labels | meaning |", "| --- | --- | --- | --- |", *rows])


def codes_block(title: str, codes: Iterable[Code]) -> str:
    """Return the section of one area of errors, with a heading for each code."""
    entries = (
        "\n\n".join([f"### {code.name}", f"**{code.title}.** {code.cause}", code.cure])
        for code in codes
    )
    return "\n\n".join([f"## {title}", *map(_wrapped, entries)]) + "\n"


def _wrapped(text: str) -> str:
    lines = (
        fill(line, 118, break_long_words=False, break_on_hyphens=False) for line in text.split("\n")
    )
    return "\n".join(lines)


def script(file: str) -> str:
    """Return a topology file and the script that `netorch explain` prints for it."""
    text = (DOCS.parent / file).read_text(encoding="utf-8")
    commands = "\n".join(whole_topology.lines(load(text.encode(), file).desired, file))
    return (
        f"\n```yaml\n{text}```\n\n`netorch explain` prints this script for it:\n\n"
        f"```sh\n{commands}\n```\n\n"
    )


def kind_block(kind: str, model: type[InterfaceModel]) -> str:
    words = " ".join((model.__doc__ or "").split())
    needs = [
        f"`{feature.config}`" + (f" (module `{feature.module}`)" if feature.module else "")
        for feature in sample(kind, model).features
        if feature.config
    ]
    own = [
        name
        for name in model.model_fields
        if name not in InterfaceModel.model_fields and name != "kind"
    ]
    rows = changes(kind, model, own)
    return (
        f"## {kind}\n\n"
        + _wrapped(words + (f" Needs {', '.join(needs)}." if needs else ""))
        + "\n"
        + (f"\n{rows}" if rows else "")
    )


def changes(kind: str | None, model: type[InterfaceModel], names: list[str]) -> str:
    lines = ["| key | type | default | change | meaning |", "| --- | --- | --- | --- | --- |"]
    for name, (key, *cells) in zip(names, rows_of(model, names), strict=True):
        kinds_of, default, meaning = (
            cell.replace("|", chr(92) + "|").replace("](#", "](language.md#") for cell in cells
        )
        lines.append(
            f"| `{key}` | {kinds_of} | {default} | {effect(kind, model, name)} | {meaning} |"
        )
    return "\n".join(lines) + "\n" if names else ""


def table(rows: list[tuple[str, str, str, str]]) -> str:
    lines = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{key}` | {' | '.join(cell.replace('|', chr(92) + '|') for cell in rest)} |"
        for key, *rest in rows
    ]
    return "\n".join(lines) + "\n"


def own_keys(model: Model) -> Iterator[tuple[str, Any]]:
    """Yield the name and the annotation of each field that no model of `BASES` has."""
    hints = get_type_hints(model, include_extras=True)
    shared: set[str] = set()
    for base in model.__mro__[1:]:
        if base in BASES:
            shared |= set(base.__annotations__)
    for name in model.model_fields:
        if name not in shared or name in model.__annotations__:
            yield name, hints[name]


def rows_of(model: Model, names: list[str] | None = None) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row (key, type, default, meaning) for each field in `names`.

    Without `names`, the rows are those of the model's own keys.
    """
    hints = get_type_hints(model, include_extras=True)
    for name, annotation in (
        own_keys(model) if names is None else [(name, hints[name]) for name in names]
    ):
        field = model.model_fields[name]
        meaning, default = field.description or "", ""
        if match := re.fullmatch(r"(.*?) ?\(([^()]*)\)\.", meaning, re.S):
            meaning, default = f"{match[1]}.", match[2]
        elif field.is_required():
            default = "required"
        elif isinstance(field.default, (bool, int, str)):
            default = str(field.default).lower()
        yield field.serialization_alias or name, in_words(annotation), default, meaning


def in_words(annotation: Any) -> str:
    """Return a type in words."""
    if get_origin(annotation) is Annotated:
        inner, *extras = get_args(annotation)
        return next(
            (
                words
                for extra in extras
                if (words := by_validator(getattr(extra, "func", None), inner))
            ),
            "",
        ) or in_words(inner)
    if get_origin(annotation) in {Union, UnionType}:
        return " or ".join(
            in_words(part) for part in get_args(annotation) if part is not type(None)
        )
    if get_origin(annotation) is Literal:
        return ", ".join(
            f"`{str(value).lower() if isinstance(value, bool) else value}`"
            for value in get_args(annotation)
        )
    if get_origin(annotation) is list:
        return f"list of {plural(in_words(get_args(annotation)[0]))}"
    if get_origin(annotation) is dict:
        return f"mapping of names to {plural(in_words(get_args(annotation)[1]))}"
    if annotation in PLACES:
        return PLACES[annotation]
    return {str: "text", int: "integer", bool: "true or false"}.get(annotation, "")


def by_validator(check: Callable[..., Any] | None, inner: Any) -> str:
    """Return the type that a validating function accepts, in words, or an empty text."""
    if check is None:
        return ""
    if isinstance(check, LateModel):
        if check.model() in PLACES:
            return PLACES[check.model()]
        return "[machine](#machines)" if check.model() is HostModel else "[tunnels](#machines)"
    maker = check.__qualname__.partition(".")[0]
    if maker in {"integer", "centiseconds"}:
        bounds = {**getclosurevars(check).nonlocals}
        if maker == "centiseconds":
            bounds |= getclosurevars(bounds["number"]).nonlocals
        low, high = bounds["low"], bounds["high"]
        top = f"2^{high.bit_length()}-1" if high > 2**30 else str(high)
        return f"{'time' if maker == 'centiseconds' else 'integer'}, {low} to {top}"
    if maker == "one_or_many":
        item = next(part for part in (inner, *get_args(inner)) if get_origin(part) is list)
        words = in_words(get_args(item)[0])
        return f"{words}, or a list of them"
    return TYPES.get(check.__name__, "")


def plural(words: str) -> str:
    if " or " in words or "," in words:
        return f"({words})" if words.startswith("integer") else words
    if words.startswith(("list", "mapping")) or words in {"text", ""}:
        return f"{words}s"
    head, bracket, rest = words.partition("]")
    if bracket:
        return f"{head}s]{rest}"
    return (
        words
        if words.endswith("s")
        else re.sub(r"^(.*?address)?( with prefix length)?$", r"\1es\2", words)
        if "address" in words
        else words + "s"
    )


if __name__ == "__main__":
    sys.exit(main())
