"""Listings by libnftables of rules that other programs make, and the program that records them.

    python -m tests.filterlistings          # as root: record what this machine's library prints

`RULES` are single rules, each listed on its own. `RULESETS` are the commands by which well-known
programs set up their rules.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from netorch.firewall import nftables_json
from netorch.firewall.chains import ListedChain

PATH = Path(__file__).parent / "recorded" / "nftables.json"
SETS = """
set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/24, 10.9.0.1 }; }
set pairs { type ipv4_addr . inet_service; }
set ways { type ifname . ifname; elements = { "docker0" . "personal", "a" . "b" }; }
map verdicts { type ifname : verdict; elements = { "docker0" : jump inner, "eth0" : drop }; }
map reasons { type ifname : verdict; elements = { "docker0" comment "docker0: no" : drop }; }
map targets { type inet_service : ipv4_addr . inet_service; elements = { 80 comment "publish web" : 10.9.0.1 . 8080 }; }
map addressed { type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { 10.2.0.9 . 80 : 10.9.0.2 . 8080 }; }
"""
RULES = [
    "accept",
    "drop",
    "return",
    "reject",
    "continue",
    "counter",
    "notrack",
    "jump inner",
    "goto inner",
    'iifname "docker0" oifname "personal" drop',
    'iifname "docker0" drop comment "keep out"',
    'iifname "docker0" drop',
    'iifname "eth0" drop',
    'iifname { "eth0", "docker*" } drop',
    'iifname vmap { "docker0" : jump inner }',
    "iifname vmap @verdicts",
    "iifname vmap @reasons",
    "iifname . oifname @ways drop",
    "iifname . oifname != @ways drop",
    'oifname != "eth0" counter drop',
    "ip saddr 0.0.0.0/0 drop",
    "ip saddr 10.0.1.0/24 drop",
    "ip6 saddr fd00::/8 drop",
    "ip saddr 10.0.0.0/24 ip daddr 10.2.0.0-10.2.0.20 drop",
    "ip saddr { 10.1.0.0/16, 10.0.0.5 } drop",
    "ip daddr != 10.3.0.0/16 drop",
    "ip saddr @s drop",
    "ip daddr @s drop",
    "ip saddr . tcp dport @pairs drop",
    "udp dport 80 drop",
    "tcp dport 22 drop",
    "tcp dport 80 drop",
    "tcp dport 81 drop",
    "tcp dport { 22, 80-90 } drop",
    "tcp dport < 1024 drop",
    "tcp flags syn / fin,syn drop",
    "meta l4proto { tcp, udp } th dport 80 drop",
    "ip protocol tcp drop",
    "meta nfproto ipv4 ct state new,established reject with icmp port-unreachable",
    "ct state established,related drop",
    "ct state != new drop",
    "ct state & (established | related) == 0 drop",
    "ct state vmap { established : accept, new : drop }",
    "ct status & dnat == 0 drop",
    "ct status dnat drop",
    "ct status dnat,snat drop",
    "ct original ip saddr 10.0.0.5 drop",
    "fib daddr type local drop",
    "fib daddr type != local drop",
    "fib daddr type broadcast drop",
    "icmp type echo-request drop",
    "icmp type echo-reply drop",
    "icmpv6 type echo-request drop",
    "meta mark 0x1 drop",
    "meta mark set 0x7",
    "meta skuid 1000 drop",
    "limit rate 1/second drop",
    "limit rate 1/second accept",
    'log prefix "no way: " level info drop comment "not from here"',
    "ct state new jump { ip saddr 10.0.0.0/24 drop; accept; }",
]
TRANSLATIONS = [
    "tcp dport 80 dnat to 10.9.0.1:8080",
    "dnat to 10.9.0.1",
    "dnat to 10.9.0.1-10.9.0.9",
    "tcp dport 80 dnat to 10.9.0.1:8080 random,persistent",
    "tcp dport 80-81 dnat ip to 10.9.0.1 : tcp dport map { 80 : 8080, 81 : 8081 }",
    "tcp dport 80 redirect to :8080",
    "tcp dport 81 dnat to 10.9.0.1",
    "limit rate 1/second dnat to 10.9.0.1",
    "dnat ip to tcp dport map @targets",
    "dnat ip to ip daddr . tcp dport map @addressed",
    "dnat ip to udp dport map @targets",
]
SOURCES = [
    "masquerade",
    "masquerade random",
    "masquerade fully-random,persistent",
    "tcp dport 80 masquerade to :1024-31000",
    "meta l4proto udp masquerade to :1024 random",
    "snat to fd00::1",
    "snat to fd00::1 fully-random",
    "snat to fd00::1-fd00::9",
    "meta l4proto tcp snat to [fd00::1]:1024-65535",
    "meta l4proto tcp snat to [fd00::1]:7 fully-random,persistent",
    "meta l4proto tcp snat to [fd00::1]-[fd00::9]:7-8",
]
FAMILIES = {
    "inet": ("type filter hook forward priority filter;", RULES),
    "ip": ("type nat hook prerouting priority dstnat;", TRANSLATIONS),
    "ip6": ("type nat hook postrouting priority srcnat;", SOURCES),
}

DOCKER = """
iptables-nft -P FORWARD DROP
for c in DOCKER DOCKER-ISOLATION-STAGE-1 DOCKER-ISOLATION-STAGE-2 DOCKER-USER; do iptables-nft -N $c; done
iptables-nft -A FORWARD -j DOCKER-USER
iptables-nft -A FORWARD -j DOCKER-ISOLATION-STAGE-1
iptables-nft -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables-nft -A FORWARD -o docker0 -j DOCKER
iptables-nft -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
iptables-nft -A FORWARD -i docker0 -o docker0 -j ACCEPT
iptables-nft -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
iptables-nft -A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
iptables-nft -A DOCKER-ISOLATION-STAGE-1 -j RETURN
iptables-nft -A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
iptables-nft -A DOCKER-ISOLATION-STAGE-2 -j RETURN
iptables-nft -A DOCKER-USER -j RETURN
iptables-nft -t nat -N DOCKER
iptables-nft -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
iptables-nft -t nat -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
iptables-nft -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
iptables-nft -t nat -A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
iptables-nft -t nat -A DOCKER -i docker0 -j RETURN
iptables-nft -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
"""
LIBVIRT = """
for c in LIBVIRT_INP LIBVIRT_FWI LIBVIRT_FWO LIBVIRT_FWX; do iptables-nft -N $c; done
iptables-nft -A INPUT -j LIBVIRT_INP
iptables-nft -A FORWARD -j LIBVIRT_FWX
iptables-nft -A FORWARD -j LIBVIRT_FWI
iptables-nft -A FORWARD -j LIBVIRT_FWO
iptables-nft -A LIBVIRT_INP -i virbr0 -p udp -m udp --dport 53 -j ACCEPT
iptables-nft -A LIBVIRT_FWX -i virbr0 -o virbr0 -j ACCEPT
iptables-nft -A LIBVIRT_FWI -d 192.168.122.0/24 -o virbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables-nft -A LIBVIRT_FWI -o virbr0 -j REJECT --reject-with icmp-port-unreachable
iptables-nft -A LIBVIRT_FWO -s 192.168.122.0/24 -i virbr0 -j ACCEPT
iptables-nft -A LIBVIRT_FWO -i virbr0 -j REJECT --reject-with icmp-port-unreachable
iptables-nft -t nat -A POSTROUTING -s 192.168.122.0/24 -d 224.0.0.0/24 -j RETURN
iptables-nft -t nat -A POSTROUTING -s 192.168.122.0/24 ! -d 192.168.122.0/24 -p tcp -j MASQUERADE --to-ports 1024-65535
iptables-nft -t nat -A POSTROUTING -s 192.168.122.0/24 ! -d 192.168.122.0/24 -j MASQUERADE
iptables-nft -t mangle -A POSTROUTING -o virbr0 -p udp -m udp --dport 68 -j CHECKSUM --checksum-fill
"""
FIREWALLD = """
nft -f - <<'END'
table inet firewalld {
  chain mangle_PREROUTING { type filter hook prerouting priority mangle + 10; jump pre; }
  chain pre { icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept; meta nfproto ipv6 fib saddr . mark . iif oif missing drop; }
  chain filter_INPUT {
    type filter hook input priority filter + 10;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    jump zones
    reject with icmpx admin-prohibited
  }
  chain filter_FORWARD {
    type filter hook forward priority filter + 10;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    ip6 daddr { ::/96, ::ffff:0.0.0.0/96 } log prefix "RFC3964_IPv4_REJECT: " reject with icmpv6 addr-unreachable
    jump zones
    reject with icmpx admin-prohibited
  }
  chain zones { iifname "docker0" goto trusted; iifname vmap { "personal" : goto public, "wan" : goto public }; goto public; }
  chain trusted { accept; }
  chain public { tcp dport 22 ct state { new, untracked } accept; ip6 daddr fe80::/64 udp dport 546 accept; meta l4proto { icmp, ipv6-icmp } accept; }
}
END
"""
IPTABLES = """
iptables-nft -A FORWARD -m state --state NEW,ESTABLISHED -m mark --mark 0x1 -j DROP
iptables-nft -A FORWARD -m conntrack ! --ctstate DNAT -m mark --mark 0x2 -j DROP
iptables-nft -A FORWARD -m conntrack --ctstate NEW --ctorigdst 10.9.9.9 -m mark --mark 0x3 -j DROP
iptables-nft -A FORWARD -p icmp -m icmp --icmp-type 8 -j DROP
iptables-nft -A FORWARD -p tcp -m multiport ! --dports 22,443,8000:8100 -m iprange --src-range 10.0.0.5-10.0.0.9 -m mark --mark 0x4 -j DROP
iptables-nft -A FORWARD -m comment --comment "a comment" -m addrtype ! --dst-type LOCAL -m mark --mark 0x5 -j DROP
iptables-nft -A FORWARD -m physdev --physdev-in a -m mark --mark 0x6 -j DROP
iptables-nft -A FORWARD -j LOG --log-prefix "seen "
iptables-nft -t nat -A PREROUTING -p tcp --dport 80 -m mark --mark 0x1 -j REDIRECT --to-ports 8080
iptables-nft -t nat -A PREROUTING -p tcp --dport 80 -m mark --mark 0x2 -j DNAT --to-destination 10.9.0.1:8080 --random
iptables-nft -t nat -A PREROUTING -p tcp --dport 80 -m mark --mark 0x3 -j DNAT --to-destination 10.9.0.1:80-90
iptables-nft -t nat -A POSTROUTING -p tcp --dport 80 -m mark --mark 0x1 -j SNAT --to-source 192.0.2.1
iptables-nft -t nat -A POSTROUTING -p tcp -m mark --mark 0x2 -j SNAT --to-source 192.0.2.1:1024-65535 --random-fully --persistent
iptables-nft -t nat -A POSTROUTING -m mark --mark 0x3 -j MASQUERADE --random
ip6tables-nft -t nat -A POSTROUTING -p udp -j SNAT --to-source [fd00::2]:7 --random
ip6tables-nft -A FORWARD -p ipv6-icmp -m icmp6 --icmpv6-type 128 -m conntrack --ctstate NEW -j DROP
ip6tables-nft -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination [fd00::2]:8080
"""
RULESETS = {"docker": DOCKER, "libvirt": LIBVIRT, "firewalld": FIREWALLD, "iptables": IPTABLES}

LIST = """
import json
from netorch.kernel.firewall import nftables
listing = nftables.list_all()
extensions = [[list(place), list(words)] for place, words in listing.extensions.items()]
print(json.dumps({"text": listing.text, "json": json.loads(listing.json), "extensions": extensions}))
"""
"""A program that prints all nftables rules of the namespace that it runs in."""


def commands(family: str) -> str:
    """Return a shell script that loads each rule of a family into one chain."""
    base, rules = FAMILIES[family]
    chains = f"chain inner {{ }}\nchain c {{ {base} }}\n"
    text = "\n".join(f"add rule {family} t c {rule}" for rule in rules)
    return f"nft -f - <<'END'\ntable {family} t {{\n{chains}{SETS}}}\n{text}\nEND\n"


def chains_of(listing: Mapping[str, Any]) -> tuple[ListedChain, ...]:
    """Return the chains in the output of `LIST`."""
    from netorch.firewall.nftables import rule_texts

    extensions = {
        (family, table, handle): tuple(words)
        for (family, table, handle), words in listing["extensions"]
    }
    return nftables_json.chains(
        json.dumps(listing["json"]), rule_texts(listing["text"]), extensions
    )


@cache
def recorded() -> Mapping[str, Any]:
    """Return the recorded listings.

    `rulesets`: name → listing; `rules`: family → rule → statements; `sets`: name → elements.
    """
    recording: Mapping[str, Any] = json.loads(PATH.read_text())
    return recording


def statements(family: str, rules: Iterable[str]) -> list[list[object]]:
    """Return the library's statements for these rules."""
    return [recorded()["rules"][family][rule] for rule in rules]


def split(listing: Mapping[str, Any], family: str) -> dict[str, list[object]]:
    """Return rule → statements, from the listing of what `commands` loaded."""
    rules = [entry["rule"] for entry in listing["json"]["nftables"] if "rule" in entry]
    return {rule: entry["expr"] for rule, entry in zip(FAMILIES[family][1], rules, strict=True)}


def _record() -> None:
    def listed(script: str) -> dict[str, Any]:
        program = f"{script}\nexec {sys.executable} -c '{LIST}'"
        done = subprocess.run(
            ["unshare", "-n", "sh", "-ec", program], check=True, capture_output=True, text=True
        )
        listing: dict[str, Any] = json.loads(done.stdout)
        return listing

    singles = {family: listed(commands(family)) for family in FAMILIES}
    sets = [
        entry.get("set") or entry.get("map")
        for entry in singles["inet"]["json"]["nftables"]
        if "set" in entry or "map" in entry
    ]
    recording = {
        "version": singles["inet"]["json"]["nftables"][0]["metainfo"]["version"],
        "sets": {one["name"]: one.get("elem", []) for one in sets},
        "rules": {family: split(listing, family) for family, listing in singles.items()},
        "rulesets": {name: listed(script) for name, script in RULESETS.items()},
    }
    PATH.write_text(_lines(recording, 3) + "\n")


def _lines(value: object, depth: int) -> str:
    """Return JSON with a line for each entry down to this depth, so that diffs are readable."""
    if not depth or not isinstance(value, dict):
        return json.dumps(value)
    entries = (f"{json.dumps(key)}: {_lines(entry, depth - 1)}" for key, entry in value.items())
    return "{\n" + ",\n".join(entries) + "\n}"


if __name__ == "__main__":
    _record()
