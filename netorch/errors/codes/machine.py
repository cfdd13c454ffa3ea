"""Codes for the state of the machine: foreign objects in the way, and parts that are missing."""

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
            "this topology. netorch never changes a foreign object.",
            "Rename it in the file, use a `prefix`, or remove the existing one: `ip link` and `ip "
            "netns` show it. `apply --adopt` takes it over as it is.",
        ),
        Code(
            "name-of-another-file",
            "Another file has the same name",
            "A topology without a `name` is called like its file. A file with the same "
            "name in another folder was applied, and `apply` would delete its nodes.",
            "Write `name:` in one of the files. If this file replaces the other one, destroy that "
            "topology first.",
        ),
        Code(
            "address-taken",
            "An address exists already",
            "The interface has this address, and netorch did not add it.",
            "Delete the address from the file, or remove the existing one with `ip address del`.",
        ),
        Code(
            "route-taken",
            "A route exists already",
            "A route with the same destination, table and metric exists, and netorch did not add "
            "it.",
            "Give the route another `metric`, or remove the existing one with `ip route del`.",
        ),
        Code(
            "rule-taken",
            "A policy rule exists already",
            "A policy rule with the same priority and the same conditions exists, and netorch did "
            "not add it.",
            "Give the rule another `priority`, or remove the existing one with `ip rule del`.",
        ),
        Code(
            "neighbour-taken",
            "A neighbour exists already",
            "The interface has a permanent entry for this address, and netorch did not add it.",
            "Remove it with `ip neigh del`.",
        ),
        Code(
            "nic-in-use",
            "A NIC is in use",
            "The interface of the host is a port of a bridge or bond, has upper links, or belongs "
            "to another topology.",
            "Use another interface, or free it: `ip link set NIC nomaster`.",
        ),
        Code(
            "no-nic",
            "The host has no such interface",
            "The file uses an interface that the host does not have.",
            "Correct the name. `ip link` lists the interfaces.",
        ),
        Code(
            "not-a-nic",
            "An interface cannot be moved into a node",
            "`from` names a bridge, bond or team of the host, and netorch moves only NICs.",
            "Write the name of a NIC as `from`.",
        ),
        Code(
            "no-parent",
            "The parent does not exist",
            "The file does not make the parent of this interface, and the machine does not have "
            "it.",
            "Correct `parent`, or declare that interface. `ip link` lists the existing ones.",
        ),
        Code(
            "subnet-taken",
            "A subnet is in use",
            "The machine reaches addresses of this subnet through another interface, or by a route "
            "that is at least as specific as the subnet. The new subnet would make these addresses "
            "unreachable.",
            "Use another subnet, or another `pool` if netorch chose it: the error names one. "
            "`ip route show table all root SUBNET` shows the existing routes.",
        ),
        Code(
            "port-in-use",
            "A port is in use",
            "A program listens on the port that the file publishes, or another topology publishes "
            "it. One of the two would become unreachable. Or the UDP port of a tunnel, or the port "
            "of `netorch watch --metrics`, is not free.",
            "Publish another port, or stop the program: `ss -lnp sport = PORT` names it. For "
            "tunnels, write another `port`; `ss -lunp` lists the programs with UDP ports.",
        ),
        Code(
            "vni-taken",
            "The network identifier of a tunnel is taken",
            "Linux has one VXLAN for each VNI and UDP port in a namespace. Another link has "
            "those of a tunnel between machines, perhaps that of another topology.",
            "Write `tunnels: {vni: NUMBER}` with a free range, or `port`.",
        ),
        Code(
            "narrow-underlay",
            "The network between the machines takes only smaller packets",
            "The interface by which the packets to another machine leave has a smaller MTU than "
            "the file says under `hosts`.",
            "Correct `mtu` under `hosts`, or raise the MTU of the interface.",
        ),
        Code(
            "peer-is-self",
            "A WireGuard interface is its own peer",
            "The public key of the peer belongs to the private key of the interface itself. Linux "
            "silently ignores such a peer.",
            "Use the public key of the other end.",
        ),
        Code(
            "unknown-user",
            "There is no such user",
            "The machine has no user with this name.",
            "Correct the name. `getent passwd` lists the users.",
        ),
        Code(
            "unknown-group",
            "There is no such group",
            "The machine has no group with this name.",
            "Correct the name. `getent group` lists the groups.",
        ),
        Code(
            "key-file-unreadable",
            "A key file cannot be read",
            "The file of a WireGuard key does not exist, is not a regular file, or may not be "
            "read. A relative path is relative to the folder of the topology file.",
            "Correct the path, or make a key: `umask 077; wg genkey > FILE`.",
        ),
        Code(
            "bad-key-file",
            "A key file does not contain a key",
            "The file has to contain one key of 32 bytes in base64 and nothing else.",
            "Make the file with `wg genkey > FILE`, or a preshared key with `wg genpsk > FILE`.",
        ),
        Code(
            "key-file-open",
            "Everybody can read a key file",
            "The file of the private key of a machine can be read by all users, so the tunnels "
            "between the machines would not be private.",
            "`chmod 600 FILE`. If other users have read it already, make a new key.",
        ),
        Code(
            "wrong-private-key",
            "A private key does not belong to the public key",
            "The other machines expect the `public_key` of this machine that the file has. The "
            "private key in this machine's key file has another public key, so they would drop "
            "all its packets.",
            "Write the key that `wg pubkey < FILE` prints as `public_key`, or put the right "
            "private key into the file.",
        ),
        Code(
            "no-such-namespace",
            "There is no such namespace",
            "`attach: netns:NAME` names a namespace that is not in `/run/netns`.",
            "Correct the name, or make the namespace first. `ip netns list` shows "
            "the namespaces that exist.",
        ),
        Code(
            "no-such-process",
            "There is no such process",
            "`attach: pid:NUMBER` names a process that is not running.",
            "Start it, and write its current process ID.",
        ),
        Code(
            "not-a-namespace",
            "A file is not a network namespace",
            "The path of `attach` does not lead to a network namespace, or `/run/netns` contains a "
            "regular file or a folder, which a crash can leave behind.",
            "Correct `attach`, or remove the file: `rm -- /run/netns/NAME`.",
        ),
        Code(
            "same-namespace",
            "Two nodes are the same namespace",
            "Two nodes of the file are attached to the same network namespace.",
            "Delete one of them, and move its contents to the other one.",
        ),
        Code(
            "no-such-container",
            "There is no such container",
            "Docker or Podman does not know a container with this name.",
            "Correct the name. `docker ps --all` or `podman ps --all` lists them.",
        ),
        Code(
            "container-not-running",
            "A container is not running",
            "Only a running container has a network namespace.",
            "Start it, for example with `docker start NAME`, and apply again. `docker logs NAME` "
            "shows why it ended.",
        ),
        Code(
            "container-on-host",
            "A container has no network of its own",
            "The container was started with `--network host`, so it uses the host's network.",
            "Use the node `host` instead.",
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
            "Start it, for example with `systemctl start docker`, or set the path of its socket: "
            "`DOCKER_HOST=unix:///PATH`.",
        ),
        Code(
            "engine-failed",
            "Docker or Podman does not answer correctly",
            "The engine is running, but it fails, takes too long, or sends an unexpected answer.",
            "Check it with `docker ps` or `podman ps`.",
        ),
        Code(
            "no-filter-backend",
            "Neither nftables nor iptables works",
            "NAT, published ports and isolation need nftables or iptables: a library and the "
            "support of the kernel. The error gives the reason for each of the two.",
            "Run `apt install libnftables1`, or `modprobe nf_tables`.",
        ),
        Code(
            "no-python-iptables",
            "python-iptables is missing",
            "The backend iptables needs the library python-iptables, which is not installed or "
            "cannot be loaded.",
            "Run `apt install iptables && pip install 'netorch[iptables]'`.",
        ),
        Code(
            "no-prometheus-client",
            "prometheus_client is missing",
            "The metrics of `netorch watch` need the library prometheus_client.",
            "Run `pip install 'netorch[metrics]'`.",
        ),
        Code(
            "no-libpcap",
            "libpcap is missing",
            "A filter of `netorch capture` needs the library libpcap, which is not installed or "
            "does not work.",
            "Run `apt install libpcap0.8`, or capture without a filter.",
        ),
        Code(
            "no-fonts",
            "A picture needs a font",
            "Pictures in PNG need a font such as DejaVu Sans, and this machine has none.",
            "Run `apt install fonts-dejavu-core`, or use `-o svg`.",
        ),
        Code(
            "no-resvg",
            "resvg-py is missing",
            "Pictures in PNG need the library resvg-py.",
            "Run `pip install 'netorch[graph]'`, or use `-o svg`.",
        ),
        Code(
            "no-mini-racer",
            "mini-racer is missing",
            "Pictures in SVG, HTML, PNG and draw.io's format need the library mini-racer.",
            "Run `pip install 'netorch[graph]'`, or use `-o mermaid` or `-o dot`.",
        ),
        Code(
            "nic-lent",
            "A NIC of the host is in a node",
            "`destroy --release` would leave a NIC of the host in its node, and forget what the "
            "NIC had on the host.",
            "Take the interface of `kind: physical` out of the file and apply that first.",
        ),
        Code(
            "no-networkx",
            "networkx is missing",
            "`netorch import` of a graph in GraphML or GML needs the library networkx.",
            "Run `pip install 'netorch[import]'`.",
        ),
        Code(
            "kernel-lacks",
            "The kernel lacks a feature",
            "The kernel was built without a kind of link, a qdisc or another feature that the "
            "file needs, or its module is not loaded.",
            "Load the module, for example with `modprobe vrf`, or use another kernel. `netorch "
            "doctor` shows everything that is missing.",
        ),
        Code(
            "not-root",
            "netorch does not have the permissions that it needs",
            "To change the network, netorch needs to run as root, or more precisely with "
            "CAP_NET_ADMIN and CAP_SYS_ADMIN.",
            "Run it with `sudo`, or in a user and network namespace of your own: `unshare -Urnm`.",
        ),
        Code(
            "read-only-sysctls",
            "Sysctls cannot be set",
            "`/proc/sys` is read-only, as in most containers.",
            "Run `mount -o remount,rw /proc/sys`, or start the container with `--privileged`.",
        ),
        Code(
            "no-private-host",
            "A private host cannot be made",
            "A private host needs user namespaces, which a sysctl, a limit or a container can "
            "forbid. It also needs pidfd_open(2), which Linux has since 5.3, and a Python "
            "interpreter that it can start.",
            "Follow the advice in the error, such as `sysctl -w user.max_user_namespaces=10000`, "
            "or run as root.",
        ),
    ),
)
