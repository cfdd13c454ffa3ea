"""Graphs in GraphML and GML."""

import pytest
import yaml

from netorch.errors import NetorchError
from netorch.resolve.loader import load
from tests.unit.importers.conftest import Import

ZOO = """graph [
  Network "Abilene"
  node [ id 0 label "New York" Country "US" ]
  node [ id 1 label "Chicago" ]
  node [ id 2 label "Chicago" ]
  edge [ source 0 target 1 LinkLabel "OC-192" ]
  edge [ source 0 target 1 ]
  edge [ source 1 target 2 ]
  edge [ source 2 target 2 ]
]
"""


def test_nodes_and_edges_become_nodes_and_links(import_text: Import) -> None:
    result = import_text(ZOO, "zoo/abilene.gml")
    assert result.problems == ()
    topology = load(result.text.encode(), "t").desired
    assert topology.topology == "abilene"
    assert list(topology.labels) == ["New-York", "Chicago-1", "Chicago-2"]
    assert "New-York: {label: New York, forwarding: true}" in result.text
    assert "  - {endpoints: [New-York:eth2, Chicago-1:eth2], subnet: 10.128.0.2/31}" in result.text


def test_what_the_file_does_not_express_is_a_comment_at_its_entry(import_text: Import) -> None:
    result = import_text(ZOO, "abilene.gml")
    lines = result.text.splitlines()
    assert (
        "not carried over: Country: US"
        in lines[lines.index("  New-York: {label: New York, forwarding: true}") - 1]
    )
    assert [one.text for one in result.losses] == [
        "Network: Abilene",
        "Country: US",
        "LinkLabel: OC-192",
        "the edge of Chicago-2 to itself",
    ]
    assert result.is_faithful


GRAPHML = """<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <graph edgedefault="{}">
    <node id="a"/><node id="b"/>
    <edge source="a" target="b"/><edge source="b" target="a"/>
  </graph>
</graphml>"""


@pytest.mark.parametrize(("kind", "links"), [("directed", 1), ("undirected", 2)])
def test_opposite_directions_are_one_cable(import_text: Import, kind: str, links: int) -> None:
    result = import_text(GRAPHML.format(kind), "ring.graphml")
    assert result.text.count("endpoints:") == links


@pytest.mark.parametrize("text", ["graph [ node [ id ] ]", "<graphml><graph>", "graph ["])
def test_a_broken_graph_is_one_error_with_its_file(import_text: Import, text: str) -> None:
    with pytest.raises(NetorchError, match=r"^broken\.gml: the graph cannot be read: ") as caught:
        import_text(text, "broken.gml")
    assert [one.code for one in caught.value.problems] == ["bad-import"]


def test_what_a_graph_says_is_there_or_named(import_text: Import) -> None:
    keys = "".join(
        f'<key attr.name="{name}" attr.type="string" for="{of}" id="{number}"/>'
        for number, (name, of) in enumerate(
            [
                ("label", "node"),
                ("Latitude", "node"),
                ("name", "node"),
                ("Speed", "edge"),
                ("By", "graph"),
            ]
        )
    )
    result = import_text(
        f"""<graphml xmlns="http://graphml.graphdrawing.org/xmlns">{keys}
        <graph edgedefault="directed"><data key="4">me</data>
        <node id="0"><data key="0">New York</data><data key="1">40.7</data></node>
        <node id="1"><data key="0">New York</data><data key="2">NYC</data></node>
        <node id="host"/>
        <edge source="0" target="1"><data key="3">10</data></edge>
        <edge source="1" target="0"><data key="3">1</data></edge>
        <edge source="1" target="1"><data key="3">7</data></edge>
        <hyperedge id="the hub"><endpoint node="0"/><endpoint node="host"/><endpoint node="9"/></hyperedge>
        </graph><graph id="other" edgedefault="directed"/></graphml>""",
        "x.graphml",
    )
    assert result.problems == ()
    assert [one.text for one in result.losses] == [
        "By: me",
        "Latitude of the nodes",
        "the direction of the edges",
        "name: NYC",
        "Speed: 10",
        "Speed: 1 of the edge back",
        "the edge of New-York-1 to itself (Speed: 7)",
        "graph other",
        "end 9 of the-hub",
    ]
    topology = yaml.safe_load(result.text)
    assert topology["nodes"] == {
        "New-York-0": {"label": "New York", "forwarding": True, "networks": ["the-hub"]},
        "New-York-1": {"label": "New York", "forwarding": True},
        "host-2": {"label": "host", "forwarding": True, "networks": ["the-hub"]},
    }
    assert topology["networks"] == {"the-hub": {"label": "the hub", "subnet": "auto"}}
