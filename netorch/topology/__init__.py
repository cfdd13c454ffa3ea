"""The models of a topology file: what a person wrote, as typed values.

Each module is named as the key of the file that it describes.
"""

from netorch.topology.networks import (
    KINDS,
    Attach,
    Backend,
    CheckWords,
    Defaults,
    DnsWords,
    EndpointWords,
    FamilyModes,
    HopWords,
    LinkWords,
    Membership,
    NetworkWords,
    Node,
    RouteWords,
    RuleWords,
    Topology,
    by_kind,
    endpoint,
    words_of,
)

__all__ = [
    "KINDS",
    "Attach",
    "Backend",
    "CheckWords",
    "Defaults",
    "DnsWords",
    "EndpointWords",
    "FamilyModes",
    "HopWords",
    "LinkWords",
    "Membership",
    "NetworkWords",
    "Node",
    "RouteWords",
    "RuleWords",
    "Topology",
    "by_kind",
    "endpoint",
    "words_of",
]
