"""Make a star with munet, in the machine's own mount and process namespaces.

The program prints time.perf_counter() when the network exists, pings from the last node to the
first, and removes the network. It needs a Python that has the package.
"""

import sys
import tempfile
import time

from munet.base import BaseMunet

with tempfile.TemporaryDirectory() as rundir:
    net = BaseMunet(rundir=rundir, isolated=False)
    try:
        switch = net.add_switch("s1")
        hosts = []
        for number in range(1, int(sys.argv[1]) + 1):
            host = net.add_host(f"h{number}")
            net.add_link(switch, host, f"e{number}", "eth0")
            host.cmd_raises(
                f"ip addr add 10.9.{number // 256}.{number % 256}/16 dev eth0 && ip route add default via 10.9.255.254"
            )
            hosts.append(host)
        done = time.perf_counter()
        answer = hosts[-1].cmd_status("ping -n -c 1 -w 20 10.9.0.1")
        if answer[0] != 0:
            sys.exit(str(answer))
    finally:
        net.delete()
print(done)
