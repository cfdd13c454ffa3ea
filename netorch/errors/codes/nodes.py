"""Codes for what runs in nodes: commands, checks and programs."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
NODES = Area(
    "In the nodes",
    (
        Code(
            "ambiguous-node",
            "Several topologies have this node",
            "`netorch exec`, `shell` and `capture` look for the node in every live topology.",
            "Choose one with `--name TOPOLOGY`.",
        ),
        Code(
            "node-missing",
            "A node does not exist",
            "A check names a node whose namespace does not exist, or was not made by netorch.",
            "Run `netorch apply FILE` first.",
        ),
        Code(
            "namespace-not-entered",
            "A namespace cannot be entered",
            "Linux refused to enter the namespace, or to mount the node's own files in `/etc`.",
            "Run netorch as root.",
        ),
        Code(
            "no-command",
            "The command is missing",
            "The list of the command's words is empty.",
            "Give a command, such as `netorch exec r1 ip route`.",
        ),
        Code(
            "bad-command",
            "A command is not a list of words",
            "A program passed the command as one string. netorch runs commands without a shell.",
            "Pass a list, such as `['ping', '-c', '1', 'r2']` or `['sh', '-c', 'a | b']`.",
        ),
        Code(
            "command-not-found",
            "The command does not exist",
            "No program of this name is in the `PATH`. Nodes use the machine's programs.",
            "Correct the name, or install the program.",
        ),
        Code(
            "command-not-runnable",
            "The command cannot be run",
            "The file exists, but it is not a program or you may not run it.",
            "Check it with `ls -l`, and make it executable with `chmod +x`.",
        ),
        Code(
            "command-failed",
            "A command failed",
            "A command in a node ended with an exit status other than 0. The error contains the "
            "end of its output.",
            "Look at its output (`stdout` and `stderr` of the exception), or pass `check=False`.",
        ),
        Code(
            "command-timeout",
            "A command did not end in time",
            "The command ran longer than `timeout` and was killed.",
            "Give it more time, or find out what it waits for.",
        ),
        Code(
            "no-such-interface",
            "A node has no such interface",
            "You named an interface as NODE:IF, and the node does not have it now.",
            "Correct the name. `netorch exec NODE ip link` lists the interfaces.",
        ),
        Code(
            "not-captured",
            "An interface cannot be captured",
            "The interface carries packets of a kind that netorch does not capture, or that the "
            "filter of `netorch capture` cannot match.",
            "Name other interfaces, or leave out the filter.",
        ),
        Code(
            "bad-filter",
            "The filter of a capture is wrong",
            "libpcap does not understand the filter of `netorch capture`, or it names a host that "
            "is not in `/etc/hosts`.",
            "Filters are in the language of tcpdump: `man 7 pcap-filter`. Write the address of the "
            "host, and quote a filter with parentheses.",
        ),
        Code(
            "not-listening",
            "Nothing listens on a port",
            "Your program called `wait_for_port`, and no program in the node listens on the port.",
            "Check that the program runs, and on which port: `ss -ltn` inside the node.",
        ),
        Code(
            "no-address",
            "A node has no address",
            "The node has no address at which it could be reached.",
            "Add an address to the node in the file.",
        ),
    ),
)
