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


def test_all_that_cni_says_is_there_or_named(import_text: Import) -> None:
    result = import_text(
        """{"cniVersion": "1.0.0", "name": "my net", "disableCheck": true, "plugins": [
        {"type": "bridge", "isGateway": true, "isDefaultGateway": true, "forceAddress": true,
         "ipMasq": true, "hairpinMode": true, "promiscMode": true, "vlan": 5, "mtu": 70000,
         "preserveDefaultVlan": false, "macspoofchk": true, "enabledad": false,
         "capabilities": {"mac": true}, "dns": {"nameservers": ["1.1.1.1"]},
         "ipam": {"type": "host-local", "dataDir": "/x", "ranges": [
            [{"subnet": "10.1.0.5/24", "gateway": "10.2.0.1"}], [{"subnet": "fd00::/64"}]],
          "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.0.0.0/8", "gw": "zz"},
            {"dst": "10.9.0.1/8", "mtu": 1400}, {"dst": "fd01::/64"}]}},
        {"type": "ptp"},
        {"type": "tuning", "mac": "zz"},
        {"type": "host-device", "device": "eth0"}]}""",
        "n.conflist",
    )
    assert result.problems == ()
    assert sorted(one.text for one in result.losses) == [
        "capabilities: {mac: true} of bridge",
        "dataDir: /x of ipam",
        "disableCheck: true",
        "dns: {nameservers: [1.1.1.1]} of bridge",
        "forceAddress: true of bridge",
        "gateway: 10.2.0.1",
        "hairpinMode: true of bridge",
        "macspoofchk: true of bridge",
        "mtu: 1400 of the route to 10.9.0.1/8",
        "mtu: 70000",
        "plugin host-device (device: eth0)",
        "plugin ptp",
        "plugin tuning (mac: zz)",
        "preserveDefaultVlan: false of bridge",
        "promiscMode: true of bridge",
        "routes: {to: 10.0.0.0/8, via: zz}",
        "routes: {to: 10.9.0.1/8, via: 10.1.0.1}",
        "subnet: 10.1.0.5/24",
        "vlan: 5 of bridge",
    ]
    assert all(one.where[0].startswith("n.conflist:") for one in result.losses)
    (network,) = tree(result)["networks"].values()
    assert network["label"] == "my net"
    assert network["routes"] == [{"to": "fd01::/64", "via": "fd00::1"}]


def test_all_that_docker_says_is_there_or_named(import_text: Import) -> None:
    result = import_text(
        """[{"Name": "a", "Id": "1", "Scope": "local", "Driver": "bridge", "Attachable": true,
        "IPAM": {"Driver": "default", "Options": {"pool": "x"}, "Config": [
            {"Subnet": "10.0.0.0/24", "Odd": 1}]}, "Ingress": true,
        "ConfigFrom": {"Network": "template"}, "ConfigOnly": false, "Odd": true,
        "Options": {"com.docker.network.bridge.host_binding_ipv4": "127.0.0.1",
            "com.docker.network.driver.mtu": "70000"},
        "Containers": {"1": {"Name": "c", "MacAddress": "zz", "IPv4Address": "10.0.0.9/24", "Odd": 2}}},
        {"Name": "a", "IPAM": {}}, {"Name": "template", "ConfigOnly": true, "IPAM": {}}]""",
        "n.json",
    )
    assert result.problems == ()
    assert sorted(one.text for one in result.losses) == [
        "Attachable: true",
        "ConfigFrom: template",
        "Ingress: true",
        "Odd: 1 of IPAM",
        "Odd: 2 of a container",
        "Odd: true",
        "host_binding_ipv4: 127.0.0.1",
        "ipam options: pool: x",
        "mac: zz",
        "mtu: 70000",
        "network a",
        "network template",
    ]
    assert tree(result)["networks"] == {"a": {"mode": "nat", "subnet": "10.0.0.0/24"}}


def test_all_that_podman_says_is_there_or_named(import_text: Import) -> None:
    result = import_text(
        """[{"name": "a", "driver": "bridge", "dns_enabled": false, "labels": {"x": "y"}, "odd": 1,
        "subnets": [{"subnet": "10.0.0.0/24", "odd": 1}], "containers": {"1": {"name": "c",
            "interfaces": {"eth0": {"subnets": [{"ipnet": "10.0.0.5/24"}], "odd": 1}, "eth1": {}}}}},
        {"name": "a", "subnets": []}]""",
        "n.json",
    )
    assert result.problems == ()
    assert sorted(one.text for one in result.losses) == [
        "dns_enabled: false",
        "interface eth1 of c",
        "labels: {x: y}",
        "network a",
        "odd: 1",
        "odd: 1 of a subnet",
        "odd: 1 of an interface",
    ]


@pytest.mark.parametrize(
    ("plugin", "network", "losses"),
    [
        (
            '"type": "ipvlan", "master": "a b", "mode": "l3", "ipam": {"type": "host-local", '
            '"ranges": [[{"subnet": "10.0.0.0/24", "gateway": "10.0.0.1"}], [{"subnet": "10.0.0.0/25"}]]}',
            {"driver": "ipvlan", "driver_mode": "l3", "subnet": "10.0.0.0/24"},
            {"gateway: 10.0.0.1", "parent: a b", "subnet: 10.0.0.0/25"},
        ),
        (
            '"type": "bridge", "isGateway": true, "ipMasq": true',
            {"mode": "nat", "isolated": False, "bridge": "cni0"},
            {"isDefaultGateway: false"},
        ),
        (
            '"type": "bridge", "ipMasq": true',
            {"node": "host", "bridge": "cni0"},
            {"ipMasq: true"},
        ),
    ],
)
def test_what_a_network_of_cni_cannot_have(
    import_text: Import, plugin: str, network: dict[str, object], losses: set[str]
) -> None:
    result = import_text('{"cniVersion": "0.4.0", "name": "net", ' + plugin + "}", "n.conf")
    assert result.problems == ()
    assert tree(result)["networks"] == {"net": network}
    assert {one.text for one in result.losses} == losses
