"""Codes of what is on the machine already: things of others, and what is missing."""

from __future__ import annotations

from netorch.errors.codes.code import Area, Code

# fmt: off
MACHINE = Area(
    "What is on the machine",
    (
        Code(
            "name-taken",
            "A name is taken",
            "A namespace or an interface of this name exists, and netorch did not make it for "
            "this topology. netorch never changes what others made.",
            "Rename it in the file, or use a `prefix`, or remove the other one: `ip link` and `ip "
            "netns` show it.",
        ),
        Code(
            "address-taken",
            "An address is there already",
            "The interface has this address, and netorch did not add it.",
            "Delete the address from the file, or remove the other one with `ip address del`.",
        ),
        Code(
            "route-taken",
            "A route is there already",
            "A route with the same destination, table and metric exists, and netorch did not add "
            "it.",
            "Give the route another `metric`, or remove the other one with `ip route del`.",
        ),
        Code(
            "rule-taken",
            "A rule is there already",
            "A policy rule that selects the same exists, and netorch did not add it.",
            "Give the rule another `priority`, or remove the other one with `ip rule del`.",
        ),
        Code(
            "neighbour-taken",
            "A neighbour is there already",
            "The interface has a permanent entry of this address, and netorch did not add it.",
            "Remove it with `ip neigh del`.",
        ),
        Code(
            "nic-in-use",
            "A NIC is in use",
            "The interface of the host is a port of a bridge or bond, carries other interfaces, "
            "or belongs to another topology.",
            "Take another interface, or free it: `ip link set NIC nomaster`.",
        ),
        Code(
            "no-nic",
            "The host has no such interface",
            "The file uses an interface of the host that is not there.",
            "Correct the name. `ip link` lists the interfaces.",
        ),
        Code(
            "not-a-nic",
            "An interface cannot be moved into a node",
            "A bridge, bond or team of the host stays there.",
            "Name a NIC as `from`.",
        ),
        Code(
            "no-parent",
            "The parent is not there",
            "The file does not make the parent of this interface, and the machine does not have "
            "it.",
            "Correct `parent`, or declare the interface. `ip link` lists those of the machine.",
        ),
        Code(
            "subnet-taken",
            "A subnet is in use",
            "The machine reaches addresses of this subnet by another interface, or by a route that is "
            "as specific as the subnet or more so. A second way would cut them off.",
            "Take another subnet. `ip route show table all root SUBNET` shows who has it.",
        ),
        Code(
            "port-in-use",
            "A port is in use",
            "A program listens on the port that is to be published, or another topology publishes "
            "it. One of the two would not be reached any more.",
            "Publish another port, or stop the program: `ss -lnp sport = PORT` names it.",
        ),
        Code(
            "peer-is-self",
            "A WireGuard interface is its own peer",
            "The public key of the peer belongs to the private key of the interface itself. Linux "
            "leaves out such a peer without a word.",
            "Take the public key of the other end.",
        ),
        Code(
            "unknown-user",
            "There is no such user",
            "The machine has no user of this name.",
            "Correct the name. `getent passwd` lists the users.",
        ),
        Code(
            "unknown-group",
            "There is no such group",
            "The machine has no group of this name.",
            "Correct the name. `getent group` lists the groups.",
        ),
        Code(
            "key-file-unreadable",
            "A key file cannot be read",
            "The file of a WireGuard key does not exist, is not a plain file, or may not be read. "
            "A relative path counts from the folder of the topology file.",
            "Correct the path, or make a key: `umask 077; wg genkey > FILE`.",
        ),
        Code(
            "bad-key-file",
            "A key file does not hold a key",
            "The file has to hold one key of 32 bytes in base64 and nothing else.",
            "Make it with `wg genkey > FILE`, or `wg genpsk > FILE` for a preshared key.",
        ),
        Code(
            "no-such-namespace",
            "There is no such namespace",
            "`attach: netns:NAME` names a namespace that is not in `/run/netns`.",
            "Correct the name, or make the namespace first. `ip netns list` shows them.",
        ),
        Code(
            "no-such-process",
            "There is no such process",
            "`attach: pid:NUMBER` names a process that does not run.",
            "Start it, and write the number that it has now.",
        ),
        Code(
            "not-a-namespace",
            "Something is not a network namespace",
            "The path of `attach` does not lead to a network namespace, or a plain file or folder "
            "lies in `/run/netns`, as after a crash.",
            "Correct `attach`, or remove the file: `rm -- /run/netns/NAME`.",
        ),
        Code(
            "same-namespace",
            "Two nodes are one namespace",
            "Two nodes of the file lead to the same network namespace.",
            "Delete one of them, and put all of it under the other.",
        ),
        Code(
            "no-such-container",
            "There is no such container",
            "Docker or Podman does not know a container of this name.",
            "Correct the name. `docker ps --all` or `podman ps --all` lists them.",
        ),
        Code(
            "container-not-running",
            "A container does not run",
            "Only a running container has a network namespace.",
            "Start it, as with `docker start NAME`, and apply again. `docker logs NAME` says why "
            "it ended.",
        ),
        Code(
            "container-on-host",
            "A container has no network of its own",
            "The container was started with `--network host`, so its network is that of the host.",
            "Take the node `host` in its place.",
        ),
        Code(
            "remote-engine",
            "The containers are on another machine",
            "`DOCKER_HOST` or `CONTAINER_HOST` is not a Unix socket, or the engine runs in a "
            "virtual machine. Its containers have no namespace here.",
            "Run netorch on that machine, or unset the variable.",
        ),
        Code(
            "engine-unreachable",
            "Docker or Podman cannot be reached",
            "Nothing answers on the socket of the engine, or netorch may not open it.",
            "Start it, as with `systemctl start docker`, or say where its socket is: "
            "`DOCKER_HOST=unix:///PATH`.",
        ),
        Code(
            "engine-failed",
            "Docker or Podman gives no answer",
            "The engine is there, but fails, takes too long, or answers something else.",
            "Check it with `docker ps` or `podman ps`.",
        ),
        Code(
            "no-filter-backend",
            "Neither nftables nor iptables works",
            "NAT, published ports and isolation need nftables or iptables, with a library and "
            "parts of the kernel. The error has the reason for each.",
            "Run `apt install libnftables1`, or `modprobe nf_tables`.",
        ),
        Code(
            "no-python-iptables",
            "python-iptables is missing",
            "The backend iptables needs the library python-iptables, or it does not start here.",
            "Run `apt install iptables && pip install 'netorch[iptables]'`.",
        ),
        Code(
            "no-igraph",
            "igraph is missing",
            "Pictures as SVG and HTML need the library igraph.",
            "Run `pip install 'netorch[graph]'`, or take `-o mermaid` or `-o dot`.",
        ),
        Code(
            "kernel-lacks",
            "The kernel lacks something",
            "The kernel was built without a kind of link, a qdisc or another feature that the "
            "file needs, or its module is not loaded.",
            "Load the module, as with `modprobe vrf`, or take another kernel. `netorch doctor` "
            "shows all that is missing.",
        ),
        Code(
            "not-root",
            "netorch does not have the rights",
            "Changing the network needs root, precisely CAP_NET_ADMIN and CAP_SYS_ADMIN.",
            "Run it with `sudo`, or in a network of your own: `unshare -Urnm`.",
        ),
        Code(
            "read-only-sysctls",
            "Sysctls cannot be set",
            "`/proc/sys` is read-only, as in most containers.",
            "Run `mount -o remount,rw /proc/sys`, or start the container with `--privileged`.",
        ),
        Code(
            "no-private-host",
            "This machine gives no private host",
            "A private host needs user namespaces, which a sysctl, a limit or a container "
            "forbids, pidfd_open(2) of Linux 5.3, and a Python to start.",
            "Do what the error says, as `sysctl -w user.max_user_namespaces=10000`, or run as "
            "root.",
        ),
    ),
)
