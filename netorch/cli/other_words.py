"""Commands and options of other tools, each with what it is here. Only an error reads this."""

from __future__ import annotations

import re
from collections.abc import Container

_APPLY = "`netorch apply FILE` makes the network that the file declares, and changes what differs."
_DIFF = "`netorch diff FILE` shows what `apply` would change."
_DESTROY = "`netorch destroy NAME` removes everything that the topology made."
_LIST = "`netorch list` lists the live topologies, and `netorch show NAME` what one has."
_SHELL = "`netorch shell NODE` opens a shell in a node, and `netorch exec NODE COMMAND` runs one."
_CHECK = "`netorch check` tries the `checks` of the file with real packets."

WORDS = {
    word: sentence
    for words, sentence in (
        ("up deploy create start run make add sync converge reconcile set new init", _APPLY),
        ("update reload restart redeploy replace patch", _APPLY),
        ("plan preview dry-run dryrun compare drift whatif", _DIFF),
        ("down rm remove delete del stop undeploy clean cleanup purge kill teardown", _DESTROY),
        ("ls ps status state get nodes topologies", _LIST),
        ("inspect describe info dump cat view tree", "`netorch show NAME` prints what is live."),
        ("export save backup", "`netorch show NAME -o yaml` writes what is live as a file."),
        ("attach connect enter console login ssh sh bash exec-it", _SHELL),
        ("test verify ping probe", _CHECK),
        ("lint fmt format parse syntax", "`netorch validate FILE` checks a file."),
        ("trace traceroute path why", "`netorch explain A B` follows a packet between two nodes."),
        ("script render show-commands", "`netorch explain FILE` prints the shell commands."),
        ("draw plot diagram picture topo visualize", "`netorch graph FILE` draws the topology."),
        ("rollback undo revert", "A failed `apply` rolls back by itself; see also `confirm`."),
        ("commit accept", "`netorch confirm NAME` keeps the changes of `apply --confirm-within`."),
        ("convert migrate from", "`netorch import FILE` writes another tool's file as a topology."),
        ("version", "`netorch --version` prints the version."),
    )
    for word in words.split()
}
"""Command of another tool → a sentence with the command of netorch."""

_STATUS = "`netorch diff` ends with status 2 if something differs: leave it out."
_NO_QUESTION = "netorch does not ask here: leave it out."

OPTIONS = {
    word: sentence
    for words, sentence in (
        ("-f --file --topo --topology --config -c -t -i --input", "Write the file by itself."),
        ("--node --netns -n --namespace", "Write the node by itself."),
        ("--json --format --output-format -j -J", "Write `-o json`."),
        ("--yaml", "Write `-o yaml`."),
        ("--check --noop --simulate --plan-only --what-if", "`netorch diff` changes nothing."),
        ("-y --yes --assume-yes --auto-approve --non-interactive", _NO_QUESTION),
        ("-a --everything", "Write `--all`."),
        ("--wait --detach -d --daemon", "netorch ends when the network is there: leave it out."),
        ("--reconfigure --recreate --force-recreate --replace", "`apply` changes what differs."),
        ("--cleanup --volumes --remove-orphans", "`destroy` leaves nothing: leave it out."),
        ("--var --vars -e --extra-vars", "Write `--set NAME=VALUE`."),
        ("--delay --loss --rate --jitter", "Write `NAME=VALUE`, such as `delay=10ms`."),
        ("-l --labels --filter", "Write a name, or a pattern such as 'h*'."),
        ("-w --write --out-file", "Write `-o FILE`."),
        ("-p --port --dport", "Write `--tcp PORT`."),
        ("--exit-code --detailed-exitcode --exitcode", _STATUS),
        ("-V --version", "`netorch --version` prints the version."),
    )
    for word in words.split()
}
"""Option of another tool → a sentence with what to write."""

TOO_MANY = {
    "check": "`netorch explain A B` follows a packet between two nodes.",
    "shell": "`netorch exec NODE COMMAND` runs a command in a node.",
}
"""Command → a sentence for somebody who gives it too many arguments."""


def of_option(option: str, known: Container[str]) -> str:
    """Return what to write in place of another tool's option, "" if that is not known.

    `known` are the options of the command. A sentence that names none of them does not help there.
    """
    text = OPTIONS.get(option, "")
    named = re.findall("`(--?[a-z-]+)", text)
    return text if all(name in known for name in named) else ""
