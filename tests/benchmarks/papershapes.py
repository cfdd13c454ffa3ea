"""The topologies of the pure benchmark, as the text of a file; everything is written out, as a program would do it."""

from __future__ import annotations

from collections.abc import Iterator


def star(nodes: int) -> str:
    """One bridge with so many nodes on it, each with an address and a default route."""
    lines = ["name: star", "networks:", "  net: {subnet: 10.0.0.0/16, bridge: br0}", "nodes:"]
    lines += [
        f"  h{number}: {{networks: {{net: {{address: 10.0.{number // 250}.{number % 250 + 2}}}}}, routes: [{{to: default, via: 10.0.255.254}}]}}"
        for number in range(nodes)
    ]
    return "\n".join(lines) + "\n"


def fat_tree(arity: int) -> str:
    """A fat tree of routers with `arity` ports each, every cable a subnet of its own; the hosts are its leaves."""
    half = arity // 2
    core = [f"c{number}" for number in range(half * half)]
    lines = ["name: tree", "profiles: {router: {forwarding: true}}", "nodes:"]
    lines += [f"  {name}: {{profile: router}}" for name in core]
    for pod in range(arity):
        lines += [f"  p{pod}{layer}{number}: {{profile: router}}" for layer in "ae" for number in range(half)]
        hosts = [(edge, host) for edge in range(half) for host in range(half)]
        lines += [f"  p{pod}h{edge}{host}: {{routes: [{{to: default, dev: eth0}}]}}" for edge, host in hosts]
    lines.append("links:")
    for number, (one, other) in enumerate(_cables(arity)):
        lines.append(f'  - {{endpoints: ["{one}", "{other}"], subnet: 10.{number // 64}.{number % 64 * 4}.0/30}}')
    return "\n".join(lines) + "\n"


def _cables(arity: int) -> Iterator[tuple[str, str]]:
    half = arity // 2
    for pod in range(arity):
        for up in range(half):
            for down in range(half):
                yield f"c{up * half + down}:to{pod}", f"p{pod}a{up}:up{down}"
                yield f"p{pod}a{up}:down{down}", f"p{pod}e{down}:up{up}"
                yield f"p{pod}e{up}:down{down}", f"p{pod}h{up}{down}:eth0"


def ports(count: int) -> str:
    """One router that publishes so many ports of one server."""
    published = ", ".join(f'"{10000 + port}:{20000 + port}"' for port in range(count))
    return f"""\
name: ports
nodes:
  box: {{}}
  web: {{networks: [net], publish: [{published}]}}
networks: {{net: {{mode: nat, node: box, subnet: 172.17.0.0/16}}}}
"""
