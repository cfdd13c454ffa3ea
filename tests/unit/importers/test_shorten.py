"""Short forms mean the same as the long ones."""

from typing import Any

from netorch.importers.draft import Draft
from netorch.importers.finish import finish


def _draft(**tree: Any) -> Draft:
    draft = Draft("t", "a.yaml", "a tool")
    draft.tree |= tree
    return draft


def _text(draft: Draft) -> list[str]:
    result = finish(draft)
    assert result.problems == ()
    return result.text.splitlines()[2:]


def test_equal_nodes_in_a_row_are_a_range() -> None:
    nodes = {f"h{number}": {"networks": {"lan": {}}} for number in (1, 2, 3, 4)}
    draft = _draft(nodes=nodes | {"h9": {}}, networks={"lan": {"subnet": "10.0.0.0/24"}})
    assert _text(draft)[:3] == ["nodes:", "  h[1-4]: {networks: [lan]}", "  h9: {}"]


def test_different_remarks_keep_nodes_apart_and_equal_ones_are_joined() -> None:
    draft = _draft(nodes={f"h{number}": {} for number in range(1, 7)})
    for number in range(1, 7):
        image = "alpine" if number < 4 else f"special{number}"
        draft.lose(("nodes", f"h{number}"), f"image: {image}", "no programs", f"x.yml:{number}")
    lines = _text(draft)
    assert lines[1:3] == [
        "  # not carried over: image: alpine (x.yml:1, 2, 3): no programs",
        "  h[1-3]: {}",
    ]
    assert [line for line in lines if not line.lstrip().startswith("#")][2:] == [
        "  h4: {}",
        "  h5: {}",
        "  h6: {}",
    ]


def test_the_first_two_addresses_of_a_subnet_are_the_subnet() -> None:
    def link(*addresses: object) -> dict[str, object]:
        ends = [
            {"node": node, "interface": "e0", "addresses": address}
            for node, address in zip("ab", addresses, strict=True)
        ]
        return {"endpoints": ends}

    draft = _draft(
        nodes={"a": {}, "b": {}},
        links=[link(["10.0.0.1/24", "fd00::/127"], ["10.0.0.2/24", "fd00::1/127"])],
    )
    assert _text(draft)[-1] == (
        '  - {endpoints: [a:e0, b:e0], subnet: [10.0.0.0/24, "fd00::/127"]}'
    )
    other = _draft(nodes={"a": {}, "b": {}}, links=[link("10.0.0.2/24", "10.0.0.1/24")])
    assert "subnet" not in "".join(_text(other))


def test_a_dollar_sign_is_no_variable() -> None:
    draft = _draft(nodes={"a": {"interfaces": {"d0": {"kind": "dummy", "description": "5$(i)"}}}})
    assert "$$(i)" in "".join(_text(draft))
