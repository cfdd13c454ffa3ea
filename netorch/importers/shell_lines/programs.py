"""Programs that declare nothing of a topology."""

from __future__ import annotations

from netorch.importers.shell_lines.arguments import names

NO_PROGRAMS = (
    "netorch runs no programs: `netorch exec NODE COMMAND` starts one in a node. Or let the engine "
    "run them, and write `attach: docker:NAME` into the nodes."
)
"""A comment at the top of a file that had containers."""

HARMLESS = frozenset(
    names(
        """
        cat : . source true false set echo printf exit return cd pwd ls date clear unset wait
        shopt trap logger history alias umask ulimit test [ [[ id whoami uname env which command
        type hash ps free df netstat ss nslookup dig host traceroute traceroute6 tracepath mtr
        grep awk sed head tail wc sort uniq cut tr
        """
    )
)
"""Programs that change nothing in the network, if they write to no file."""

CONDITIONS = frozenset(names("[ [[ test grep command which type pgrep pidof lsmod false"))
"""Programs that are run for their exit status."""

ROUTING = frozenset(
    names(
        """
        frr frrinit.sh zebra bgpd ospfd ospf6d ripd ripngd isisd pimd ldpd quagga bird bird6
        birdc gobgpd gobgp exabgp openbgpd babeld olsrd xorp vtysh staticd watchfrr bfdd holod
        mrouted smcrouted
        """
    )
)
"""Daemons that learn routes, and what starts or configures them."""

ADDRESSING = frozenset(
    names("dhclient dhcpcd udhcpc networking ifup ifdown netplan nmcli systemd-networkd")
)
"""Programs that give addresses and routes to a node."""

TUNNELS = frozenset(
    names(
        """
        openvpn ipsec strongswan charon swanctl wireguard-go wg-quick wg xl2tpd pppd racoon
        setkey tincd tailscaled
        """
    )
)
"""Programs that carry packets to other nodes."""

SWITCHES = frozenset(
    names(
        """
        ovs-vsctl ovs-ofctl ovs-vswitchd ovsdb-server openvswitch-switch ovs-ctl simple_switch
        simple_switch_grpc ebtables arptables nft nftables iptables-restore ip6tables-restore
        ipset ufw firewalld firewall-cmd keepalived haproxy ipvsadm radvd mstpd teamd tunctl
        tayga jool
        """
    )
)
"""Programs that switch, filter or answer for others."""

_ROUTES = "netorch runs no routing daemons, so the routes that they learn are missing"
_ADDRESSES = "netorch runs no programs, so the addresses and routes that it gives are missing"
_SWITCHED = "netorch runs no programs, and a topology has no word for what it does"
_NFT = (
    "netorch reads rules of nftables from a machine only: `netorch import --live`, or `--run` with "
    "a script"
)
_PROGRAM = "netorch runs no programs"


def reason(program: str, arguments: tuple[str, ...]) -> tuple[str, bool]:
    """Return why a program is not carried over, and whether that matters.

    `program` is its name without a folder.
    """
    name = program
    if program in ("service", "rc-service", "invoke-rc.d") and arguments:
        name = arguments[0]
    elif program == "systemctl":
        name = next((one for one in arguments[1:] if not one.startswith("-")), "")
        name = name.removesuffix(".service")
        if arguments[:1] in (("disable",), ("stop",), ("mask",), ("status",)):
            return _PROGRAM, False
    elif program in ("nohup", "setsid") and arguments:
        name = arguments[0].rpartition("/")[2]
    if name in ROUTING:
        return _ROUTES, True
    if name in ADDRESSING:
        return _ADDRESSES, True
    if name == "nft":
        return _NFT, True
    if name in TUNNELS or name in SWITCHES:
        return _SWITCHED, True
    return _PROGRAM, False
