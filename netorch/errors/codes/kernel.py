"""Codes for the kernel and the system: what Linux refuses, and what cannot be read."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
KERNEL = Area(
    "Linux and its limits",
    (
        Code(
            "kernel-refused",
            "Linux refused a step",
            "The kernel refused a request. The error contains the kernel's message and its error "
            "number. netorch rolled everything back, unless another line reports a failure.",
            "`netorch explain FILE` shows the equivalent commands: try the one for this object to "
            "see more. `dmesg` may contain the reason.",
        ),
        Code(
            "value-refused",
            "Linux refused a value",
            "The value is allowed in the file, but this kernel does not accept it for this object.",
            "Try other values, and read the kernel's documentation of the setting.",
        ),
        Code(
            "setting-of-another",
            "Another topology has set a sysctl to another value",
            "Topologies share the settings of the host and of attached namespaces. Two files ask "
            "for different values of one setting.",
            "Write the same value in both files, or destroy the other topology first.",
        ),
        Code(
            "gateway-unreachable",
            "A gateway cannot be reached",
            "Linux accepts a route only if the gateway is in the subnet of one of the node's "
            "addresses.",
            "Correct the gateway or the address. If the gateway is on the link although it is in "
            "none of these subnets, add `onlink: true` and `dev`.",
        ),
        Code(
            "link-down",
            "An interface is down",
            "A route needs an interface that is up, and an upper link needs a parent that is up.",
            "Delete `state: down`, or the route.",
        ),
        Code(
            "no-such-link",
            "The interface of a route does not exist",
            "The node has no interface with the name in the route's `dev`.",
            "Correct `dev`. `ip -n NODE link` lists the interfaces.",
        ),
        Code(
            "not-a-bridge",
            "The interface that nodes are to join is not a bridge",
            "`bridge` of a network with `existing` names an interface of another kind.",
            "Name a bridge: `ip link show type bridge` lists them.",
        ),
        Code(
            "cannot-move",
            "An interface cannot leave its namespace",
            "Some NICs cannot leave their namespace. A wireless NIC moves only with its phy.",
            "Run `iw phy PHY set netns name NODE`, or use another NIC.",
        ),
        Code(
            "device-in-use",
            "A device is in use",
            "A program has the TUN or TAP device open, so netorch cannot change it.",
            "End the program first, then apply again.",
        ),
        Code(
            "no-such-sysctl",
            "There is no such sysctl",
            "The kernel does not have this setting, or has it only for the whole machine and not "
            "for network namespaces.",
            "Correct the name. `sysctl -a` inside the node lists the settings.",
        ),
        Code(
            "does-not-stay",
            "Another program undoes the changes",
            "netorch set a value four times, and each time read back another one. Another program, "
            "such as NetworkManager, changes the same interfaces.",
            "Find the program with `netorch doctor`, and configure it to ignore the interfaces "
            "that netorch makes.",
        ),
        Code(
            "not-removed",
            "An object could not be removed",
            "The object still exists after all attempts to remove it.",
            "Run `netorch destroy` again. If the object still exists, remove it with `ip`.",
        ),
        Code(
            "rolled-back",
            "The apply was rolled back",
            "A step failed, and netorch restored the state from before the apply.",
            "Correct the problems that the other errors describe, and apply again.",
        ),
        Code(
            "not-rolled-back",
            "Not everything could be rolled back",
            "A step failed, and a part of the rollback failed too. The next lines list what was "
            "not restored.",
            "Run `netorch diff` to see the current state, then `netorch apply` or `netorch "
            "destroy`.",
        ),
        Code(
            "namespace-not-seen",
            "A namespace could not be read",
            "During a rollback, netorch could not open an attached namespace, so objects of the "
            "topology may remain in it.",
            "Look into the namespace yourself: `ip -d link` shows netorch's marks as aliases.",
        ),
        Code(
            "kernel-unreadable",
            "The state of the network cannot be read",
            "Linux refused to list its links, addresses or routes. The error gives the reason.",
            "Try again. If it fails again, `netorch doctor` and `dmesg` may show more.",
        ),
        Code(
            "kernel-unsteady",
            "The network changes too fast",
            "Links or routes change faster than netorch can read them.",
            "Try again when fewer changes happen. `ip monitor` shows the changes.",
        ),
        Code(
            "netlink-not-understood",
            "An answer of the kernel is not understood",
            "An answer of this kernel does not have the form that netorch expects.",
            "This is a bug in netorch: report it with the kernel's release (`uname -r`).",
        ),
        Code(
            "nftables-refused",
            "nftables refused the rules",
            "The library or the kernel refused a rule, or could not list a table.",
            "The error contains nftables' own message. `netorch doctor` shows missing features of "
            "the kernel. `backend: {nat: iptables}` may help.",
        ),
        Code(
            "iptables-refused",
            "iptables refused the rules",
            "The kernel refused a rule of iptables, often because a module is missing.",
            "Load the modules that the error names, or use `backend: {nat: nftables}`.",
        ),
        Code(
            "iptables-locked",
            "Another program holds iptables",
            "Another program holds the lock `/run/xtables.lock`, or changes the table again and "
            "again.",
            "Find the program with `fuser /run/xtables.lock`, and try again.",
        ),
        Code(
            "rule-not-expressible",
            "The backend does not support a rule",
            "The backend cannot express an address translation of the file.",
            "Use the other backend: `backend: {nat: nftables}`.",
        ),
        Code(
            "file-limit",
            "Too many open files",
            "netorch needs open files for each namespace, and the limit of the process is reached, "
            "or is so low that netorch becomes slow.",
            "Raise the limit: `ulimit -n 65536`.",
        ),
        Code(
            "process-limit",
            "Too many processes",
            "The user or the control group has reached its limit of processes and threads.",
            "Raise `ulimit -u`, or `pids.max` of the control group.",
        ),
        Code(
            "no-space",
            "No space is left",
            "The file system of `/run` or `/etc/netns` is full, or has not enough room for the "
            "files that the topology needs there: one for each namespace.",
            "Check `df` and `df -i`.",
        ),
        Code(
            "no-memory",
            "There is not enough memory",
            "The kernel or netorch ran out of memory, the topology needs more than is free, or the "
            "file is nested too deeply.",
            "Free memory, raise the limit of the control group, or make the topology smaller.",
        ),
        Code(
            "namespace-limit",
            "Too few network namespaces are allowed",
            "The topology needs more namespaces than the limit for each user allows. Removed "
            "namespaces count until the kernel has deleted them in the background.",
            "Raise the limit: `sysctl -w user.max_net_namespaces=NUMBER`.",
        ),
        Code(
            "mount-limit",
            "Too few mounts are allowed",
            "Each namespace is a mount below `/run/netns`, and the number of mounts is limited.",
            "Raise the limit: `sysctl -w fs.mount-max=NUMBER`.",
        ),
        Code(
            "neighbour-limit",
            "The table of neighbours is small",
            "All namespaces share one table of neighbours for each IP version. When it is full, "
            "nodes cannot resolve each other's addresses. netorch does not raise the limit, "
            "because it is a setting of the whole machine.",
            "Raise its limit: `sysctl -w net.ipv4.neigh.default.gc_thresh3=NUMBER`.",
        ),
        Code(
            "connection-limit",
            "Too few connections can be tracked",
            "NAT needs an entry for each connection, and the number of entries is limited. When "
            "the table is full, new connections are dropped.",
            "Raise the limit: `sysctl -w net.netfilter.nf_conntrack_max=NUMBER`.",
        ),
        Code(
            "system-refused",
            "The system refuses a call",
            "A system call that netorch needs fails: a seccomp filter forbids it, or a part of the "
            "system that usually exists, such as `/proc`, is missing.",
            "Run netorch outside the container, or mount `/proc`. `strace -f netorch …` shows the "
            "failing call.",
        ),
        Code(
            "not-loaded",
            "A part of netorch cannot be loaded",
            "Python cannot import a module: there is too little memory, or the installation is "
            "incomplete.",
            "Raise `ulimit -v`, or install again: `pip install --force-reinstall netorch`.",
        ),
        Code(
            "private-host-ended",
            "A private host is gone",
            "The processes of the private host have ended, perhaps because memory ran out.",
            "Start it again. `dmesg` lists processes that the kernel killed.",
        ),
        Code(
            "internal-error",
            "A bug in netorch",
            "An error occurred that netorch does not handle.",
            "Run the command again with `--debug`, and report its output.",
        ),
    ),
)
