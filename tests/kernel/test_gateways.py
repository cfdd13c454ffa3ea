"""Test which gateways a file may have: those that `ip route add` takes, and no others."""

from __future__ import annotations

import json

import pytest

from netorch.errors import FileError
from netorch.resolve.loader import load
from tests.kernel.host import Host

NODE = {
    "r1": {
        "interfaces": {"lo": {"addresses": ["10.255.0.1/32", "fd55::1/128"]}},
        "routes": [
            {"to": "10.50.0.0/24", "dev": "e0"},
            {"to": "10.58.0.0/24", "dev": "e0", "scope": "host"},
            {"to": "10.60.0.0/24", "dev": "e0", "scope": "global"},
            {"to": "10.62.0.0/24", "type": "blackhole"},
            {"to": "10.64.0.0/24", "dev": "e0", "table": 77},
            {"to": "10.67.0.0/24", "dev": "lo"},
            {"to": "224.0.5.0/24", "dev": "e0"},
            {"to": "127.5.0.0/16", "dev": "e0"},
            {"to": "fd50::/64", "dev": "e0"},
            {"to": "fd64::/64", "dev": "e0", "table": 77},
            {"to": "fd67::/64", "dev": "lo"},
            {"to": "fd00::20/128", "via": "fd01::2"},
            {"to": "fd00::21/128", "via": "fd00::2"},
            {"to": "fd00::22/128", "type": "unreachable"},
            {"to": "fd00::23/128", "dev": "e1"},
        ],
    },
    "r2": {},
}
LINKS = [
    {"endpoints": ["r1:e0", "r2:e0"], "subnet": ["10.0.0.0/30", "fd00::/64"]},
    {"endpoints": ["r1:e1", "r2:e1"], "subnet": ["10.1.0.0/24", "fd01::/64"]},
]
V4 = (
    *("10.99.0.1", "10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.1.0.1", "10.1.0.255"),
    *("10.50.0.1", "10.58.0.1", "10.60.0.1", "10.62.0.1", "10.64.0.1", "10.67.0.1"),
    *("10.255.0.1", "127.0.0.1", "127.0.0.9", "169.254.1.1", "224.0.0.1", "255.255.255.255"),
    *("240.0.0.1", "224.0.5.1", "127.5.0.1", "0.1.0.1"),
)
V6 = (
    *("fd99::1", "fd00::", "fd00::1", "fd00::2", "fd01::1", "fd01::2", "fe80::9", "ff02::1", "::"),
    *("::1", "::ffff:10.0.0.2", "fd50::1", "fd64::1", "fd67::1", "fd55::1"),
)
WAYS = ({}, {"dev": "e0"}, {"dev": "e1"}, {"dev": "e1", "onlink": True}, {"dev": "lo"})
MORE = (
    {"to": "10.9.0.0/16", "via": "10.0.0.2", "scope": "link"},
    {"to": "10.9.0.0/16", "via": "10.58.0.1", "scope": "link"},
    {"to": "10.9.0.0/16", "via": "10.0.0.2", "scope": "host"},
    {"to": "10.9.0.0/16", "via": "10.0.0.2", "dev": "e0", "onlink": True, "scope": "link"},
    {"to": "10.9.0.0/16", "via": "10.64.0.1", "table": 77},
    {"to": "10.9.0.0/16", "via": "10.0.0.2", "table": 77},
    {"to": "10.9.0.0/16", "via": "10.0.0.3", "table": 77},
    {"to": "10.9.0.0/16", "via": "10.99.0.1", "dev": "e0", "onlink": True, "table": 77},
    {"to": "10.9.0.0/16", "via": "10.0.0.1", "dev": "e0", "onlink": True, "table": 77},
    {"to": "10.9.0.0/16", "via": "10.0.0.3", "dev": "e1", "onlink": True, "table": 77},
    *(
        {"to": "fd90::/64", "via": f"fd00::{host}", "dev": dev, "onlink": onlink}
        for host in (20, 21, 22, 23)
        for dev in ("e0", "e1")
        for onlink in (False, True)
    ),
    {"to": "fd90::/64", "via": "fd64::1", "table": 77},
    {"to": "fd90::/64", "via": "fd00::2", "table": 77},
    {"to": "fd90::/64", "via": "fd01::2", "dev": "e0", "onlink": True},
    {"to": "fd90::/64", "via": "fd99::1", "dev": "e0", "onlink": True},
    {"to": "10.9.0.0/16", "nexthops": [{"via": "10.0.0.2"}, {"via": "10.0.0.2"}]},
    {"to": "10.9.0.0/16", "nexthops": [{"via": "10.0.0.2"}, {"via": "10.99.0.1"}]},
    {"to": "10.9.0.0/16", "nexthops": [{"dev": "e0"}, {"dev": "e1"}]},
    {"to": "10.9.0.0/16", "nexthops": [{"via": "10.0.0.2"}, {"dev": "e1"}]},
    {"to": "10.9.0.0/16", "nexthops": [{"dev": "e0", "onlink": True}, {"via": "10.1.0.2"}]},
    {"to": "10.9.0.0/16", "nexthops": [{"dev": "e0", "onlink": True}]},
    {"to": "10.9.0.0/16", "nexthops": [{"via": "10.99.0.1", "onlink": True}]},
    {"to": "fd90::/64", "nexthops": [{"dev": "e0", "onlink": True}]},
    {"to": "fd90::/64", "nexthops": [{"via": "fd99::1", "onlink": True}]},
    {"to": "fd90::/64", "nexthops": [{"via": "fd00::2"}, {"via": "fd00::2"}]},
    {"to": "fd90::/64", "nexthops": [{"via": "fd00::2"}, {"via": "fd00::2", "weight": 2}]},
    {"to": "fd90::/64", "nexthops": [{"via": "fd00::2"}, {"via": "fd99::2"}]},
    {"to": "fd90::/64", "nexthops": [{"via": "fd00::2"}, {"via": "fd00::1"}]},
    {"to": "fd90::/64", "nexthops": [{"via": "fd00::2"}, {"via": "fd01::2"}]},
    {"to": "fd90::/64", "nexthops": [{"dev": "e0"}, {"dev": "e1"}]},
    {"to": "fd90::/64", "nexthops": [{"via": "fd00::2"}, {"dev": "e1"}]},
    {"to": "fd90::/64", "nexthops": [{"dev": "e0"}]},
    {
        "to": "fd90::/64",
        "nexthops": [{"via": "fe80::9", "dev": "e0"}, {"via": "fe80::9", "dev": "e1"}],
    },
)
ROUTES = (
    *({"to": "10.9.0.0/16", "via": gateway} | way for gateway in (*V4, *V6) for way in WAYS),
    *({"to": "fd90::/64", "via": gateway} | way for gateway in V6 for way in WAYS),
    *MORE,
)


RULES: dict[str, list[dict[str, object]]] = {
    "no rules": [],
    "a rule of some sources": [{"from": "10.9.9.0/24", "table": 77}],
    "a rule of all sources": [{"table": 77}, {"table": 77, "family": "ipv6"}],
}


def file(*routes: object, rules: object = ()) -> str:
    """Return the topology with more routes in r1."""
    r1 = {**NODE["r1"], "routes": [*NODE["r1"]["routes"], *routes], "rules": rules}
    return json.dumps({"name": "gateways", "nodes": NODE | {"r1": r1}, "links": LINKS})


def is_refused(route: object, rules: object = ()) -> bool:
    try:
        load(file(route, rules=rules).encode(), "gateways.yaml")
    except FileError:
        return True
    return False


def words(route: dict[str, object]) -> str:
    """Return a route in the syntax of `ip route`."""

    def hop(entry: dict[str, object]) -> str:
        via = str(entry.get("via", ""))
        text = (
            f" via {'inet6 ' if ':' in via and '.' in str(route['to']) else ''}{via}" if via else ""
        )
        text += f" dev {entry['dev']}" if "dev" in entry else ""
        text += f" weight {entry['weight']}" if "weight" in entry else ""
        return text + (" onlink" if entry.get("onlink") else "")

    hops = route.get("nexthops")
    assert hops is None or isinstance(hops, list)
    one = hops[0] if hops is not None and len(hops) == 1 else route
    text = str(route["to"])
    text += "".join(f" nexthop{hop(each)}" for each in hops) if hops and len(hops) > 1 else hop(one)
    return text + "".join(f" {key} {route[key]}" for key in ("scope", "table") if key in route)


@pytest.mark.parametrize("which", RULES)
def test_a_file_may_have_the_gateways_that_linux_takes(host: Host, which: str) -> None:
    rules = RULES[which]
    host.write("gateways.yaml", file(rules=rules))
    host.netorch("apply", "gateways.yaml")
    tries = "".join(
        f"if $ip route add {words(route)} 2>/dev/null; then echo taken; "
        f"$ip route del {words(route)}; else echo refused; fi\n".replace(
            "$ip", "ip -n r1 -6" if ":" in str(route["to"]) else "ip -n r1"
        )
        for route in ROUTES
    )
    results = host.run("sh", "-c", tries).stdout.split()
    assert len(results) == len(ROUTES)
    differences = [
        f"Linux: {result}: {words(route)}"
        for route, result in zip(ROUTES, results, strict=True)
        if is_refused(route, rules) != (result == "refused")
    ]
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize("backwards", [False, True])
def test_what_is_taken_is_applied(host: Host, backwards: bool) -> None:
    """All routes are applied at once, in either order, each to a destination of its own."""
    taken = [route for route in ROUTES if not is_refused(route)]
    routes = [
        {**route, "to": f"fd90:{number}::/64" if ":" in str(route["to"]) else f"10.9.{number}.0/24"}
        for number, route in enumerate(reversed(taken) if backwards else taken)
    ]
    host.write("gateways.yaml", file(*routes))
    host.netorch("apply", "gateways.yaml")
    host.netorch("diff", "gateways.yaml")
    host.netorch("destroy", "gateways")
