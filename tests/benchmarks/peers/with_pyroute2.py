"""Make a star with pyroute2's namespaces and sockets, with one call for each step."""

import sys

from pyroute2 import IPRoute, netns

GATEWAY = "10.9.255.254"

with IPRoute() as here:
    here.link("add", ifname="br0", kind="bridge")
    (bridge,) = here.link_lookup(ifname="br0")
    for number in range(1, int(sys.argv[1]) + 1):
        name = f"h{number}"
        netns.create(name)
        here.link(
            "add", ifname=f"v{number}", kind="veth", peer={"ifname": "eth0", "net_ns_fd": name}
        )
        (near,) = here.link_lookup(ifname=f"v{number}")
        here.link("set", index=near, master=bridge, state="up")
        with IPRoute(netns=name) as there:
            (far,) = there.link_lookup(ifname="eth0")
            there.link("set", index=1, state="up")
            there.link("set", index=far, state="up")
            there.addr(
                "add", index=far, address=f"10.9.{number // 256}.{number % 256}", prefixlen=16
            )
            there.route("add", dst="default", gateway=GATEWAY)
    here.link("set", index=bridge, state="up")
