"""Codes of what runs in nodes: commands, checks and programs."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
NODES = Area(
    "In the nodes",
    (
        Code(
            "ambiguous-node",
            "Several topologies have this node",
            "`netorch exec` and `shell` look for the node in every live topology.",
            "Say which with `--name TOPOLOGY`.",
        ),
        Code(
            "node-missing",
            "A node is not there",
            "A check names a node whose namespace is gone, or was made by somebody else.",
            "Run `netorch apply FILE` first.",
        ),
        Code(
            "namespace-not-entered",
            "A namespace cannot be entered",
            "Linux refused to enter the namespace, or to mount its files of `/etc`.",
            "Run netorch as root.",
        ),
        Code(
            "no-command",
            "There is no command",
            "The list of words of the command is empty.",
            "Give a command, as `netorch exec r1 ip route`.",
        ),
        Code(
            "bad-command",
            "A command is not a list of words",
            "A program gave one text. netorch does not use a shell.",
            "Give a list, `['ping', '-c', '1', 'r2']`, or `['sh', '-c', 'a | b']`.",
        ),
        Code(
            "command-not-found",
            "The command is not there",
            "No program of this name is in the `PATH`. Nodes have the programs of the machine.",
            "Correct the name, or install the program.",
        ),
        Code(
            "command-not-runnable",
            "The command cannot be run",
            "The file is there, but is not a program or may not be run.",
            "Check it with `ls -l`, and make it executable with `chmod +x`.",
        ),
        Code(
            "command-failed",
            "A command failed",
            "A command of a node ended with another exit status than 0. The error has what it "
            "said last.",
            "Look at its output (`stdout` and `stderr` of the exception), or take `check=False`.",
        ),
        Code(
            "command-timeout",
            "A command did not end in time",
            "The command ran longer than `timeout` and was killed.",
            "Give it more time, or find out what it waits for.",
        ),
        Code(
            "not-listening",
            "Nothing listens",
            "A program of yours waited by `wait_for_port`, and no program of the node listens on "
            "the port.",
            "Check that the program runs, and on which port: `ss -ltn` inside the node.",
        ),
        Code(
            "no-address",
            "A node has no address",
            "The node has no address to be reached by.",
            "Give it one in the file.",
        ),
    ),
)
