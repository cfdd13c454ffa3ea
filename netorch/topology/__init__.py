"""The models of a topology file.

Each module has the name of the key that it describes.
"""

from netorch.topology.attach import Attach
from netorch.topology.checks import CheckModel
from netorch.topology.file import Backend, Defaults, TopologyFile
from netorch.topology.interfaces import KINDS, by_kind, model_of, models, words_of
from netorch.topology.links import EndpointModel, LinkModel, endpoint, parse_endpoint
from netorch.topology.memberships import Membership
from netorch.topology.modes import FamilyModes
from netorch.topology.networks import NetworkModel
from netorch.topology.nodes import DnsModel, NodeModel
from netorch.topology.routes import HopModel, RouteModel
from netorch.topology.rules import RuleModel

__all__ = [
    "KINDS",
    "Attach",
    "Backend",
    "CheckModel",
    "Defaults",
    "DnsModel",
    "EndpointModel",
    "FamilyModes",
    "HopModel",
    "LinkModel",
    "Membership",
    "NetworkModel",
    "NodeModel",
    "RouteModel",
    "RuleModel",
    "TopologyFile",
    "by_kind",
    "endpoint",
    "model_of",
    "models",
    "parse_endpoint",
    "words_of",
]
