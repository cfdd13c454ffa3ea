"""Errors have the place of the wrong word, its end, and its line unless that holds a secret."""

from __future__ import annotations

import pytest

from netorch.errors import FileError, Position, Problem
from netorch.language.spans import Spans
from netorch.resolve.loader import load


def problems(text: str) -> list[Problem]:
    with pytest.raises(FileError) as caught:
        load(text.encode(), "lab.yaml")
    return list(caught.value.problems)


def words(text: str) -> list[str]:
    """Return the underlined words of all errors, "" if the line is not shown."""
    result = []
    for problem in problems(text):
        assert problem.where is not None
        end = problem.end if problem.end and problem.end.line == problem.where.line else None
        result.append(problem.line[problem.where.column - 1 : end.column - 1 if end else None])
    return result


NODE = "nodes: {a: {interfaces: {x: {kind: dummy, %s}}}}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (NODE % "mtu: abc", ["abc"]),
        (NODE % "mtu:    'abc'", ["abc"]),
        (NODE % "mut: 1500", ["mut"]),
        (NODE % "sysctls: [x]", ["[x]"]),
        (NODE % "addresses: [10.0.0.1/24, 10.0.0.300/24]", ["10.0.0.300/24"]),
        ("nodes: {a: {}}\nlinks: [[a:x, b:y]]", ["b"]),
        ("nodes: {a: {}, b: {}}\nlinks: [[a:x, 'b:y9999999999999999']]", ["y9999999999999999"]),
        ("nodes: {a: {networks: [lan]}}", ["lan"]),
        ("nodes: {a: {networks: {lan: {}}}}", ["lan"]),
        ("nodes: {a: {networks: {lan: 10.0.0.1/24}}}", ["lan"]),
        ("nodes:\n  a:\n    networks: lan", ["lan"]),
        ("nodes:\n  a:\n    publish:\n      - x\n", ["x"]),
        ("nodes: {a: {profile: ruter}}", ["ruter"]),
        ("vars: {n: 7}\nnodes: {'a$(m)': {}}", ["m"]),
        ("vars: {n: lan}\nnodes: {a: {networks: [$(n)]}}", ["[$(n)]"]),
        ("nodes: {'h[1-2]': {interfaces: {lo: {mtu: abc}}}}", ["abc", "abc"]),
        ("nodes: {b c: {}}", ["b c"]),
        ("nodes: {a: {}, a: {}}", ["a"]),
        ("nodes: {a: {}}\nlinks:\n  - mtu: 1500\n", ["mtu: 1500"]),
        ("nodes: {a: {}}\nlinks:\n  - {mtu: 1500}\n", ["{mtu: 1500}"]),
        ("nodes:\n  a: 7\n", ["7"]),
        ("nodes:\n  a: [7,\n    8]\n", ["a"]),
        ("nodes: {a: &x 7, b: *x}", ["&x 7", "*x"]),
        ("\ufeffnodes: {a: {mtux: 1}}", ["mtux"]),
        ("nodes: {日本日本: {}}", ["日本日本"]),
        ("nodes:\r\n  a: 7\r\n", ["7"]),
        ("nodes:\n\ta: {}\n", ["\t"]),
        ("nodes: {a: }}", ["}"]),
        ("nodes: [", [""]),
    ],
)
def test_the_word_that_is_wrong(text: str, expected: list[str]) -> None:
    if expected == ["\t"]:
        assert problems(text)[0].where == Position(2, 1)
        return
    assert words(text) == expected


KEY = "8KfT1l8kR2v0l0Rr2n1wIuS9bS0nZz0V8pYB8mI0M3k="


@pytest.mark.parametrize(
    "text",
    [
        NODE % f"private_key: {KEY}",
        NODE % "private_key: short",
        NODE % "mtu: abc, psk: hunter2",
        NODE % f"mtu: abc, description: {KEY}",
        NODE % f"mtu: abc, private_key_file: {KEY}",
        f"nodes:\n  a:\n    private_key: >-\n       hunter2\n    x: {KEY}",
        "vars: {wifi_password: hunter2, a: $(b)}",
        f"nodes: {{a: {{private_key: {KEY}",
        "nodes:\n  a:\n    private_key:\n      'hunter2\n",
        "nodes:\n  a:\n    private_key:\n\thunter2\n",
        "nodes: {a: {private_key:hunter2}}",
        "nodes:\n  a:\n    psk:hunter2\n",
        "nodes:\n  a:\n    wifi_password=hunter2\n",
        "nodes:\n  a:\n    private_key:hunter2\n    networks: [lan]\n",
        f"nodes:\n  a:\n    private_key:{KEY}\n    networks: [lan]\n",
    ],
)
def test_no_line_with_a_secret(text: str) -> None:
    for problem in problems(text):
        assert "hunter2" not in problem.line + problem.text()
        assert KEY not in problem.line + problem.text()


def test_a_public_key_and_the_path_of_a_key_are_not_secret() -> None:
    text = "nodes: {a: {interfaces: {x: {kind: wireguard, private_key_file: /etc/wg, mtu: abc}}}}"
    assert words(text) == ["abc"]
    [entry] = problems(f"nodes: {{a: {{public_key: {KEY}}}}}")
    assert KEY in entry.line


def test_a_text_that_is_not_yaml_has_spans_up_to_the_error() -> None:
    spans = Spans(b"nodes: {a: {mtu: 5}}\nx: ]")
    problem = spans.aim(Problem("bad-value", "nodes.a.mtu: 5 is wrong", Position(1, 13)))
    assert (problem.where, problem.end) == (Position(1, 18), Position(1, 19))
    assert Spans(b"\xff\xfe").aim(problem).line == ""
