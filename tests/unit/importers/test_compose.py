"""Compose files: variables, merging, `include`, and files that Compose would refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from netorch.errors import NetorchError
from netorch.importers import formats
from netorch.importers.compose.merge import merge
from netorch.importers.compose.project import TAGS
from netorch.importers.compose.variables import VariableError, env_file, interpolate
from netorch.importers.finish import Imported, finish, loss_lines
from netorch.importers.items import Item, parse
from netorch.kernel.files.source_files import SourceFiles
from netorch.resolve.loader import load


def run(folder: Path, *names: str, name: str | None = None) -> Imported:
    sources = [str(folder / one) for one in names or ("compose.yaml",)]
    return finish(formats.read(SourceFiles(sources), name, "compose"))


def refusal(folder: Path, *names: str) -> str:
    with pytest.raises(NetorchError) as caught:
        run(folder, *names)
    return str(caught.value).replace(f"{folder}/", "")


VALUES = {"SET": "value", "EMPTY": "", "A": "a"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$SET/${SET}", "value/value"),
        ("${UNSET:-one} ${EMPTY:-two} ${SET:-three}", "one two value"),
        ("${UNSET-one} ${EMPTY-two} ${SET-three}", "one  value"),
        ("${UNSET:+one} ${EMPTY:+two} ${SET:+three}", "  three"),
        ("${UNSET+one} ${EMPTY+two}", " two"),
        ("${SET:?error}${EMPTY?error}", "value"),
        ("${UNSET:-${A}${UNSET:-b}}", "ab"),
        ("${UNSET:-{}", "{"),
        ("$$SET $${SET} 5$ $1", "$SET ${SET} 5$ $1"),
        ("[${UNSET}]", "[]"),
    ],
)
def test_variables(text: str, result: str) -> None:
    assert interpolate(text, VALUES, lambda name: None) == result


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("${UNSET?}", "The variable UNSET has no value."),
        ("${EMPTY:?say ${A}}", "The variable EMPTY has no value: say a."),
        ("${1}", "`${1}` is not a variable."),
        ("${SET/a/b}", "`${SET/a/b}` is not a variable."),
        ("${SET", "`${SET` has no closing brace."),
    ],
)
def test_wrong_variables(text: str, error: str) -> None:
    with pytest.raises(VariableError) as caught:
        interpolate(text, VALUES, lambda name: None)
    assert str(caught.value) == error


def test_unset_variables_are_named() -> None:
    unset: list[str] = []
    interpolate("$ONE ${TWO} ${THREE:-3} $SET", VALUES, unset.append)
    assert unset == ["ONE", "TWO"]


def test_env_file() -> None:
    text = (
        "\ufeff# comment\nexport A=1\nB = two words # comment\nC='${A} #'\n"
        'D="${A} \\"#\\" \\n"\nE=$A$B\nF=\nG=a#b\n=wrong\nH: yaml\n'
    )
    assert env_file(text) == {
        "A": "1",
        "B": "two words",
        "C": "${A} #",
        "D": '1 "#" \n',
        "E": "1two words",
        "F": "",
        "G": "a#b",
        "H": "yaml",
    }


def plain(item: Item | None) -> object:
    if item is None:
        return None
    if isinstance(item.data, dict):
        return {key: plain(one) for key, one in item.data.items()}
    if isinstance(item.data, list):
        return [plain(one) for one in item.data]
    return item.data


@pytest.mark.parametrize(
    ("base", "over", "result"),
    [
        ("{a: 1, b: 2}", "{b: 3, c: 4}", {"a": 1, "b": 3, "c": 4}),
        ("{l: [1, 2]}", "{l: [3]}", {"l": [1, 2, 3]}),
        ("{l: [1]}", "{l: }", {"l": [1]}),
        ("{l: [1], a: 1}", "{l: !reset [], b: !reset 1}", {"a": 1}),
        ("{l: [1]}", "{l: !override [2], m: !override [3]}", {"l": [2], "m": [3]}),
        ("{m: {a: 1}}", "{m: !override {b: !reset 1, c: !override 2}}", {"m": {"c": 2}}),
        (
            "{services: {x: {command: [a], networks: [n]}}}",
            "{services: {x: {command: [b], networks: {m: {}}}}}",
            {"services": {"x": {"command": ["b"], "networks": {"n": None, "m": {}}}}},
        ),
        (
            "{services: {x: {dns: 1.1.1.1, sysctls: {a: 1}, extra_hosts: ['a:b']}}}",
            "{services: {x: {dns: [9.9.9.9], sysctls: [b=2], extra_hosts: {c: d}}}}",
            {
                "services": {
                    "x": {
                        "dns": ["1.1.1.1", "9.9.9.9"],
                        "sysctls": ["a=1", "b=2"],
                        "extra_hosts": ["a:b", "c=d"],
                    }
                }
            },
        ),
    ],
)
def test_merge(base: str, over: str, result: object) -> None:
    assert plain(merge(parse("a", base.encode(), TAGS), parse("b", over.encode(), TAGS))) == result


FILE = "services: {web: {image: nginx}}\n"


def test_the_name_is_that_of_the_folder_unless_somebody_says_another(tmp_path: Path) -> None:
    folder = tmp_path / "My.Shop"
    folder.mkdir()
    (folder / "compose.yaml").write_text(FILE)
    assert "\nname: myshop\n" in run(folder).text
    assert "\nname: other\n" in run(folder, name="other").text
    (folder / ".env").write_text("COMPOSE_PROJECT_NAME=from_env")
    assert "\nname: from-env\n" in run(folder).text
    (folder / "compose.yaml").write_text("name: ${WHO:-own}\n" + FILE)
    assert "\nname: own\n" in run(folder).text


def test_a_variable_without_a_value_is_named_where_it_matters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "8080")
    text = "services:\n  web:\n    image: ${IMAGE}\n    ports: ['${PORT}:80']\n"
    (tmp_path / "compose.yaml").write_text(text)
    result = run(tmp_path)
    assert "the variable PORT has no value in .env or the environment of the shell" in result.text
    assert "IMAGE" not in result.text
    assert "web: {networks" in result.text and 'publish: "80"}' in result.text


def test_a_variable_of_the_shell_counts_and_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=7000\nOTHER=7001\n")
    text = (
        "services:\n  web:\n    image: $IMAGE\n    ports: ['${PORT}:80', '$$PORT', '${OTHER}:81']\n"
    )
    path = tmp_path / "compose.yaml"
    path.write_text(text.replace(", '$$PORT'", ""))
    environment = {"PORT": "8080", "IMAGE": "nginx", "HOME": "/root"}
    result = finish(formats.read(SourceFiles([str(path)], None, environment), None))
    assert 'publish: ["8080:80", "7001:81"]' in result.text
    comments = " ".join(line.strip(" #") for line in result.text.splitlines() if "#" in line)
    assert "the variable PORT has the value that it has in the environment of the shell" in comments
    assert "IMAGE" not in comments and "OTHER" not in comments


def test_an_override_file_beside_the_source_is_merged(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text(FILE)
    override = "services: {web: {ports: ['8080:80']}}"
    (tmp_path / "docker-compose.override.yml").write_text(override)
    for source in ("docker-compose.yml", "."):
        text = run(tmp_path, source).text
        assert "# docker-compose.override.yml is merged, as `docker compose` does" in text
        assert 'publish: "8080:80"' in text
    both = run(tmp_path, "docker-compose.yml", "docker-compose.override.yml")
    assert "is merged" not in both.text
    assert 'publish: "8080:80"' in both.text


def test_the_documents_of_a_file_are_merged_in_order(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(
        "---\n"
        + FILE
        + "--- # second\nservices:\n  web: {ports: ['8080:80']}\n  db:\n    image: db\n    no: 1\n---\n# end\n"
    )
    text = (tmp_path / "compose.yaml").read_text()
    line = text.splitlines().index("    no: 1") + 1
    assert f"{line}:5: `no` is not a key of a service" in refusal(tmp_path)
    (tmp_path / "compose.yaml").write_text(text.replace("    no: 1\n", ""))
    result = run(tmp_path)
    assert 'publish: "8080:80"' in result.text
    assert "  db: {networks" in result.text


def test_a_file_of_the_first_version_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text("web:\n  # the site\n  image: nginx\n")
    with pytest.raises(NetorchError) as caught:
        formats.read(SourceFiles([str(tmp_path / "docker-compose.yml")]), None)
    (problem,) = caught.value.problems
    assert problem.remedy == "Put the services under `services:`."


def test_included_files_are_in_the_folder_or_in_the_same_work_tree(tmp_path: Path) -> None:
    folder = tmp_path / "stacks" / "web"
    folder.mkdir(parents=True)
    (folder / "compose.yaml").write_text("include: [../common.yaml]\n" + FILE)
    (tmp_path / "stacks" / "common.yaml").write_text("services: {db: {image: db}}")
    assert "1:11: ../common.yaml: the file is not below" in refusal(folder)
    (tmp_path / ".git").mkdir()
    assert "  db: {networks: [web]}" in run(folder).text


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("services: {a: {extends: {file: gone.yaml, service: b}}}", "The file gone.yaml does not"),
        ("services: {a: {extends: {file: $D/b.yaml, service: b}}}", "exist. Set D in the file"),
        ("include: [compose.yaml]\nservices: {a: {image: x}}", "This file includes itself."),
        (
            "services: {a: {networks: {n: {ipv4: 1.2.3.4}}}}\nnetworks: {n: {}}",
            "`ipv4` is not a key",
        ),
        ("services: {a: {ports: [{target: 80, host: 1}]}}", "`host` is not a key of a port"),
        ("services: [a]", "`services` is not a mapping."),
        ("services: {a: {links: [b]}}", "The service a has a link to b, which does not exist."),
        ("services: {a: {network_mode: 'service:a'}}", "The service a shares the network of a"),
        ("services: {a: {ports: ['${P}']}}", "Set P in the file `.env` beside the compose file."),
        ("services: {a: b: c}", "The file is not YAML"),
        ("services: {a: {image: !env x}}", "The tag '!env' is not part of the language."),
    ],
)
def test_errors_have_their_place(tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "compose.yaml").write_text(text)
    message = refusal(tmp_path)
    assert message.startswith("compose.yaml:"), message
    assert error in message


def test_losses_that_matter_come_first(tmp_path: Path) -> None:
    text = "services: {a: {image: x, networks: [out]}}\nnetworks: {out: {external: true}}"
    (tmp_path / "compose.yaml").write_text(text)
    result = run(tmp_path)
    assert not result.is_faithful
    assert "the external network out" in loss_lines(result.losses)[0]
    assert "image" in loss_lines(result.losses)[1]


COMMANDS = """\
services:
  router:
    networks: {lan: {ipv4_address: 10.5.0.2}, wan: {ipv4_address: 10.6.0.2}}
    command: sh -c "iptables -t nat -A POSTROUTING -o eth1 -j MASQUERADE && ip addr add 10.5.0.9/24 dev eth0; sleep 9"
  own:
    entrypoint: ["/bin/sh", "-c"]
    command:
      - |
        ip route del default
        ip route add default via 10.5.0.2
        for i in 1 2; do ip route add 10.$$i.0.0/16 via 10.5.0.2; done
        nginx -g "daemon off;"
    networks: [lan]
  other: {command: sh -c 'ip route replace default via 10.5.0.2', networks: [lan]}
  refused: {command: sh -c 'ip route add default via 10.5.0.2; ip link show', networks: [lan]}
  far: {command: sh -c 'ip route add 10.77.0.0/16 via 172.31.0.1', networks: [lan]}
  web: {command: nginx -g 'daemon off', networks: [lan]}
networks:
  lan: {ipam: {config: [{subnet: 10.5.0.0/24}]}}
  wan: {ipam: {config: [{subnet: 10.6.0.0/24}]}}
"""


def test_commands_that_set_up_the_network_are_read(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(COMMANDS)
    result = run(tmp_path)
    assert not result.problems
    nodes = load(result.text.encode(), "t").topology.nodes
    assert "interfaces: {eth0: {addresses: 10.5.0.9/24}}" in result.text
    assert "nat: [{masquerade: {out: eth1}}]" in result.text
    assert "networks: {lan: {default_route: false}}" in result.text
    assert [str(one.to) for one in nodes["own"].routes[1:]] == ["10.1.0.0/16", "10.2.0.0/16"]
    assert len(nodes["other"].routes) == 1
    assert not nodes["refused"].routes and not nodes["web"].routes
    (matters,) = [one for one in result.losses if one.matters]
    assert matters.text == "route to 10.77.0.0/16 via 172.31.0.1"
    assert "Linux refuses it, because there is a route to this place already" in " ".join(
        one.why for one in result.losses
    )
