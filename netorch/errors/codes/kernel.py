"""Codes of the way to the kernel and back: what Linux refuses, and what cannot be read."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
KERNEL = Area(
    "Linux and its limits",
    (
        Code(
            "kernel-refused",
            "Linux refused a step",
            "The kernel did not take a request. The error has its own words and the error number. "
            "All was rolled back, unless another line says otherwise.",
            "`netorch explain FILE` shows the commands: try the one of the object to see more. "
            "`dmesg` may have the reason.",
        ),
        Code(
            "value-refused",
            "Linux does not take a value",
            "The value is allowed in the file, but this kernel does not take it for this object.",
            "Try other values, and look into the kernel's documentation of the setting.",
        ),
        Code(
            "gateway-unreachable",
            "A gateway cannot be reached",
            "Linux takes a route only if the gateway is in the subnet of one of the node's "
            "addresses.",
            "Correct the gateway or the address. If it is on the link all the same, say `onlink: "
            "true` and `dev`.",
        ),
        Code(
            "link-down",
            "An interface is down",
            "Routes, and interfaces on top of others, need an interface that is up.",
            "Delete `state: down`, or the route.",
        ),
        Code(
            "no-such-link",
            "A route leads over an interface that does not exist",
            "The `dev` of the route is not there.",
            "Correct `dev`. `ip -n NODE link` lists the interfaces.",
        ),
        Code(
            "cannot-move",
            "An interface cannot leave its namespace",
            "Some NICs are bound to their namespace. A wireless one moves only with its phy.",
            "Run `iw phy PHY set netns name NODE`, or take another NIC.",
        ),
        Code(
            "device-in-use",
            "A device is in use",
            "A program has the TUN or TAP device open, so it cannot be changed.",
            "End the program first, then apply again.",
        ),
        Code(
            "no-such-sysctl",
            "There is no such sysctl",
            "The kernel does not have this setting, or not in a network namespace.",
            "Correct the name. `sysctl -a` inside the node lists them.",
        ),
        Code(
            "does-not-stay",
            "Something changes the network again",
            "netorch set a value and read back another one, four times. Another program, such as "
            "NetworkManager, works on the same interfaces.",
            "Find it with `netorch doctor`, and have it leave netorch's interfaces alone.",
        ),
        Code(
            "not-removed",
            "Something could not be removed",
            "Linux still has the object after all attempts.",
            "Run `netorch destroy` again, and `ip` by hand if it is still there.",
        ),
        Code(
            "rolled-back",
            "The apply was rolled back",
            "A step failed, and netorch brought the kernel back to the state from before.",
            "Correct what the other errors say, and apply again.",
        ),
        Code(
            "not-rolled-back",
            "Not everything could be rolled back",
            "A step failed, and a part of the way back failed too. The next lines say what is "
            "left.",
            "Run `netorch diff` to see what is there, then `netorch apply` or `netorch destroy`.",
        ),
        Code(
            "namespace-not-seen",
            "A namespace could not be looked into",
            "While it rolled back, netorch could not open a namespace of others that the topology "
            "is attached to.",
            "Look there by hand: `ip -d link` shows netorch's marks as aliases.",
        ),
        Code(
            "kernel-unreadable",
            "The state of the network cannot be read",
            "Linux refused to list its links, addresses or routes. The error has the reason.",
            "Try again. If it stays, `netorch doctor` and `dmesg` may tell more.",
        ),
        Code(
            "kernel-unsteady",
            "The network changes too fast",
            "Links or routes change faster than netorch can read them.",
            "Try again when it is quiet. `ip monitor` shows what changes.",
        ),
        Code(
            "netlink-not-understood",
            "Linux says something unknown",
            "An answer of this kernel does not have the form that netorch knows.",
            "This is a mistake of netorch's: report it with the kernel's release.",
        ),
        Code(
            "nftables-refused",
            "nftables refused the rules",
            "The library or the kernel does not take a rule, or cannot list a table.",
            "The error has nftables' own words. `netorch doctor` shows what the kernel lacks; "
            "`backend: {nat: iptables}` may help.",
        ),
        Code(
            "iptables-refused",
            "iptables refused the rules",
            "The kernel does not take a rule of the older packet filter, often since a module is "
            "missing.",
            "Load the modules that the error names, or take `backend: {nat: nftables}`.",
        ),
        Code(
            "iptables-locked",
            "Another program holds iptables",
            "Another program has the lock `/run/xtables.lock`, or changes the table all the time.",
            "Look who it is, with `fuser /run/xtables.lock`, and try again.",
        ),
        Code(
            "rule-not-expressible",
            "A rule cannot be written in this backend",
            "The backend has no words for a translation of the file.",
            "Take the other backend: `backend: {nat: nftables}`.",
        ),
        Code(
            "file-limit",
            "Too many open files",
            "Each namespace needs open files, and the process may not have more, or has so few "
            "that it becomes slow.",
            "Raise the limit: `ulimit -n 65536`.",
        ),
        Code(
            "process-limit",
            "Too many processes",
            "The user or the control group may not have more processes or threads.",
            "Raise `ulimit -u`, or `pids.max` of the control group.",
        ),
        Code(
            "no-space",
            "No space is left",
            "`/run` is full, or the user may not have more namespaces.",
            "Check `df /run` and `sysctl user.max_net_namespaces`.",
        ),
        Code(
            "no-memory",
            "There is not enough memory",
            "The kernel or netorch ran out of memory, or the file is nested too deep.",
            "Free memory, raise the limit of the control group, or make the topology smaller.",
        ),
        Code(
            "system-refused",
            "The system refuses a call",
            "A system call that netorch needs fails here: a seccomp filter forbids it, or something "
            "that is always there, such as `/proc`, is missing.",
            "Run netorch outside of the container, or mount `/proc`. `strace -f netorch …` shows the call.",
        ),
        Code(
            "not-loaded",
            "A part of netorch cannot be loaded",
            "Python cannot import a module: there is too little memory, or the installation is not "
            "whole.",
            "Raise `ulimit -v`, or install again: `pip install --force-reinstall netorch`.",
        ),
        Code(
            "private-host-ended",
            "A private host is gone",
            "The processes that hold the private host were ended, perhaps for want of memory.",
            "Start it again. `dmesg` tells of processes that the kernel killed.",
        ),
        Code(
            "internal-error",
            "A mistake of netorch's",
            "Something happened that netorch did not expect.",
            "Run the command again with `--debug`, and report what it prints.",
        ),
    ),
)
