"""Make a star with Mininet.

The program prints time.perf_counter() when the network exists, pings from the last node to the
first, and removes the network. The system's Python runs it, because that has the package.
"""

import sys
import time

from mininet.net import Mininet
from mininet.nodelib import LinuxBridge

net = Mininet(switch=LinuxBridge, controller=None, ipBase="10.9.0.0/16")
switch = net.addSwitch("s1")
hosts = []
for number in range(1, int(sys.argv[1]) + 1):
    host = net.addHost(
        f"h{number}", ip=f"10.9.{number // 256}.{number % 256}/16", defaultRoute="via 10.9.255.254"
    )
    net.addLink(host, switch)
    hosts.append(host)
net.start()
done = time.perf_counter()
try:
    answer = hosts[-1].cmd("ping -n -c 1 -w 20 10.9.0.1")
    if (
        " 1 received" not in answer
        and "1 packets received" not in answer
        and ", 0% packet loss" not in answer
    ):
        sys.exit(answer)
finally:
    net.stop()
print(done)
