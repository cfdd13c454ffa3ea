"""Make a star with pyroute2's NDB, its declarative interface."""

import sys

from pyroute2 import NDB

GATEWAY = "10.9.255.254"

with NDB() as ndb:
    bridge = ndb.interfaces.create(ifname="br0", kind="bridge", state="up").commit()["index"]
    for number in range(1, int(sys.argv[1]) + 1):
        name = f"h{number}"
        ndb.sources.add(netns=name)
        peer = {"ifname": "eth0", "net_ns_fd": name}
        ndb.interfaces.create(
            ifname=f"v{number}", kind="veth", peer=peer, master=bridge, state="up"
        ).commit()
        ndb.interfaces.wait(target=name, ifname="eth0")
        with ndb.interfaces[{"target": name, "ifname": "lo"}] as loopback:
            loopback.set("state", "up")
        with ndb.interfaces[{"target": name, "ifname": "eth0"}] as interface:
            interface.set("state", "up")
            interface.add_ip(f"10.9.{number // 256}.{number % 256}/16")
        ndb.routes.create(target=name, dst="default", gateway=GATEWAY).commit()
        ndb.sources.remove(name)
