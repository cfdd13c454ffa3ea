"""Networks of container engines as JSON: of Docker, of Podman and of CNI."""

from typing import Any

import pytest
import yaml

from netorch.errors import NetorchError
from netorch.importers.finish import Imported
from tests.unit.importers.conftest import Import

DOCKER = """[
    {
        "Name": "shop_back",
        "Driver": "bridge",
        "EnableIPv4": true,
        "EnableIPv6": true,
        "IPAM": {"Driver": "default", "Options": null, "Config": [
            {"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"},
            {"Subnet": "fd00:1::/64", "Gateway": "fd00:1::1"}
        ]},
        "Internal": false,
        "Containers": {
            "aa": {
                "Name": "shop-web-1", "MacAddress": "02:42:ac:12:00:02",
                "IPv4Address": "172.18.0.2/16", "IPv6Address": "fd00:1::2/64"
            },
            "bb": {"Name": "shop-db-1", "IPv4Address": "172.18.0.3/16", "IPv6Address": ""}
        },
        "Options": {"com.docker.network.bridge.name": "br-back"},
        "Labels": {}
    },
    {"Name": "host", "Driver": "host", "IPAM": {"Config": null}, "Containers": {
        "cc": {"Name": "exporter", "IPv4Address": ""}}},
    {"Name": "lab", "Driver": "macvlan", "Options": {"parent": "eth0.5"}, "IPAM": {"Config": [
        {"Subnet": "10.0.0.0/24", "IPRange": "10.0.0.128/25", "AuxiliaryAddresses": {"h": "10.0.0.2"}}
    ]}, "Containers": {"bb": {"Name": "shop-db-1", "IPv4Address": "10.0.0.130/24"}}}
]
"""


def tree(result: Imported) -> Any:
    """Return the contents of the topology file."""
    return yaml.safe_load(result.text)


def test_docker(import_text: Import) -> None:
    result = import_text(DOCKER, "networks.json")
    assert result.problems == ()
    assert result.is_faithful
    assert tree(result) == {
        "name": "networks",
        "nodes": {
            "shop-web-1": {
                "networks": {
                    "shop_back": {
                        "address": ["172.18.0.2", "fd00:1::2"],
                        "mac": "02:42:ac:12:00:02",
                    }
                }
            },
            "shop-db-1": {
                "networks": {"lab": "10.0.0.130", "shop_back": "172.18.0.3"},
                "sysctls": {"net.ipv4.ip_forward": 1},
            },
            "host": {},
        },
        "networks": {
            "shop_back": {
                "mode": "nat",
                "bridge": "br-back",
                "subnet": ["172.18.0.0/16", "fd00:1::/64"],
            },
            "lab": {
                "driver": "macvlan",
                "parent": "eth0",
                "vlan": 5,
                "subnet": "10.0.0.0/24",
                "ip_range": "10.0.0.128/25",
            },
        },
        "checks": [{"all": "shop_back"}],
    }
    assert "service exporter (networks.json:23)" in result.text


PODMAN = """[
  {
    "name": "open", "driver": "bridge", "network_interface": "podman1",
    "subnets": [{
      "subnet": "10.89.0.0/24", "gateway": "10.89.0.1",
      "lease_range": {"start_ip": "10.89.0.128", "end_ip": "10.89.0.191"}
    }],
    "routes": [
      {"destination": "10.50.0.0/16", "gateway": "10.89.0.130", "metric": 5},
      {"destination": "10.60.0.0/16", "gateway": "10.89.0.7"}
    ],
    "ipv6_enabled": false, "internal": false, "network_dns_servers": ["9.9.9.9"],
    "options": {"mtu": "1400", "metric": "7", "no_default_route": "1"},
    "containers": {"cc": {"name": "web", "interfaces": {"eth0": {
      "subnets": [{"ipnet": "10.89.0.130/24"}], "mac_address": "12:aa:bb:cc:dd:ee"}}}}
  },
  {"name": "apart", "driver": "bridge", "network_interface": "podman2",
   "subnets": [{"subnet": "10.89.1.0/24"}], "options": {"isolate": "true"}},
  {"name": "strict", "driver": "bridge", "network_interface": "podman3", "internal": true,
   "subnets": [{"subnet": "10.89.2.0/24"}], "options": {"isolate": "strict", "vlan": "7"}},
  {"name": "lan", "driver": "macvlan", "network_interface": "eth0",
   "ipam_options": {"driver": "dhcp"}}
]
"""


def test_podman(import_text: Import) -> None:
    """Its networks reach each other, unless they have the option `isolate`."""
    result = import_text(PODMAN, "networks.json")
    assert result.problems == ()
    assert [one.text for one in result.losses if one.matters] == [
        "route to 10.60.0.0/16",
        "vlan: 7",
        "ipam driver: dhcp",
    ]
    topology = tree(result)
    assert topology["nodes"] == {
        "web": {
            "networks": {
                "open": {
                    "address": "10.89.0.130",
                    "mac": "12:aa:bb:cc:dd:ee",
                    "default_route": False,
                }
            },
            "dns": {"servers": ["9.9.9.9"]},
        }
    }
    assert topology["networks"] == {
        "open": {
            "mode": "nat",
            "bridge": "podman1",
            "mtu": 1400,
            "subnet": "10.89.0.0/24",
            "isolated": False,
            "allow": ["apart"],
            "ip_range": "10.89.0.128/26",
            "metric": 7,
            "routes": [{"to": "10.50.0.0/16", "via": "10.89.0.130", "metric": 5}],
        },
        "apart": {"mode": "nat", "bridge": "podman2", "subnet": "10.89.1.0/24"},
        "strict": {"mode": "host-only", "bridge": "podman3", "subnet": "10.89.2.0/24"},
        "lan": {"driver": "macvlan", "parent": "eth0"},
    }


CNI = """{
\t"cniVersion": "1.0.0", "name": "mynet",
\t"plugins": [
\t\t{"type": "bridge", BRIDGE "ipam": {"type": "host-local", "ranges": [[
\t\t\t{"subnet": "10.22.0.0/16", "rangeStart": "10.22.1.0", "rangeEnd": "10.22.1.127"}
\t\t]], "routes": [{"dst": "ROUTE"}]}},
\t\t{"type": "portmap", "capabilities": {"portMappings": true}}, {"type": "firewall"}
\t]
}"""


@pytest.mark.parametrize(
    ("bridge", "route", "network"),
    [
        (
            '"isGateway": true, "ipMasq": true,',
            "0.0.0.0/0",
            {"mode": "nat", "isolated": False, "bridge": "cni0"},
        ),
        ('"isGateway": true,', "0.0.0.0/0", {"mode": "routed", "bridge": "cni0"}),
        (
            '"isGateway": true,',
            "10.0.0.0/8",
            {
                "mode": "host-only",
                "isolated": False,
                "bridge": "cni0",
                "routes": [{"to": "10.0.0.0/8", "via": "10.22.0.1"}],
            },
        ),
        ('"bridge": "mynet",', "0.0.0.0/0", {"node": "host"}),
        (
            '"isDefaultGateway": true, "mtu": 9000,',
            "::/0",
            {"mode": "routed", "bridge": "cni0", "mtu": 9000},
        ),
    ],
)
def test_cni_bridge(
    import_text: Import, bridge: str, route: str, network: dict[str, object]
) -> None:
    text = CNI.replace("BRIDGE", bridge).replace("ROUTE", route)
    result = import_text(text, "10-mynet.conflist")
    assert result.problems == ()
    addresses = {"subnet": "10.22.0.0/16", "ip_range": "10.22.1.0/25"}
    assert tree(result)["networks"] == {"mynet": network | addresses}
    assert [one.where for one in result.losses][-2:] == [
        ("10-mynet.conflist:7",),
        ("10-mynet.conflist:7",),
    ]
    assert result.is_faithful


@pytest.mark.parametrize(
    ("plugin", "network", "losses"),
    [
        (
            '"type": "macvlan", "master": "eth1", "mode": "private", "ipam": {"type": "dhcp"}',
            {"driver": "macvlan", "parent": "eth1", "driver_mode": "private"},
            ["ipam dhcp"],
        ),
        (
            '"type": "ipvlan", "master": "eth1", "ipam": {"type": "host-local", '
            '"subnet": "10.1.0.0/24", "gateway": "10.1.0.1"}',
            {
                "driver": "ipvlan",
                "parent": "eth1",
                "subnet": "10.1.0.0/24",
                "gateway": "10.1.0.1",
            },
            [],
        ),
        (
            '"type": "ptp", "ipMasq": true, "ipam": {"type": "static", "addresses": '
            '[{"address": "10.1.0.9/24"}]}',
            {"mode": "nat", "isolated": False},
            ["address 10.1.0.9/24"],
        ),
    ],
)
def test_cni_with_one_plugin(
    import_text: Import, plugin: str, network: dict[str, object], losses: list[str]
) -> None:
    result = import_text('{"cniVersion": "0.4.0", "name": "net", ' + plugin + "}", "n.conf")
    assert result.problems == ()
    assert tree(result)["networks"] == {"net": network}
    assert [one.text for one in result.losses if one.matters] == losses


@pytest.mark.parametrize(
    ("text", "form", "error"),
    [
        ('[{"Name": "a",}]', "docker", r"^n\.json:1:15: The file is not JSON: "),
        ('[{"Name": "a", "Driver": []}]', "docker", r"^n\.json:1:16: `driver` is not a text"),
        ('[{"Driver": "bridge"}]', "docker", "has no `Name`"),
        ('{"plugins": []}', "cni", "has no `name`"),
        (
            '{"name": "a", "type": "bridge", "ipam": {"type": "host-local", "subnet": "x"}}',
            "cni",
            "'x' is not a subnet",
        ),
    ],
)
def test_wrong_files(import_text: Import, text: str, form: str, error: str) -> None:
    with pytest.raises(NetorchError, match=error) as caught:
        import_text(text, "n.json", form)
    assert {one.code for one in caught.value.problems} == {"bad-import"}


def test_characters_that_yaml_does_not_know(import_text: Import) -> None:
    text = '[{"Name": "a", "Driver": "bridge", "IPAM": {}, "Labels": {"x": "\\ud83d\\ude00"}}]'
    assert tree(import_text(text, "n.json"))["networks"] == {"a": {"mode": "nat"}}
