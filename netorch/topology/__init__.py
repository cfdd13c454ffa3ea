"""The models of a topology file: what a person wrote, as typed values.

Each module is named as the key of the file that it describes.
"""

from netorch.topology.attach import Attach
from netorch.topology.checks import CheckWords
from netorch.topology.file import Backend, Defaults, TopologyFile
from netorch.topology.interfaces import KINDS, by_kind, words_of
from netorch.topology.links import EndpointWords, LinkWords, endpoint, parse_endpoint
from netorch.topology.memberships import Membership
from netorch.topology.modes import FamilyModes
from netorch.topology.networks import NetworkWords
from netorch.topology.nodes import DnsWords, NodeWords
from netorch.topology.routes import HopWords, RouteWords
from netorch.topology.rules import RuleWords

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
    "NodeWords",
    "RouteWords",
    "RuleWords",
    "TopologyFile",
    "by_kind",
    "endpoint",
    "parse_endpoint",
    "words_of",
]
