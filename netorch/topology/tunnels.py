"""The key `tunnels`: how the machines of a topology are connected."""

from netorch.language.model import Field, Model
from netorch.language.scalars import Flag
from netorch.topology.interfaces.peer import KeyPath
from netorch.topology.interfaces.udp_tunnel import Port, Vni

PORT, VNI = 14789, 10000
KEY_FILE = "/etc/netorch/wireguard.key"


class TunnelsModel(Model):
    """The settings of the VXLAN tunnels between the machines."""

    port: Port = Field(
        PORT,
        description="UDP port of the tunnels (14789).",
    )
    vni: Vni = Field(
        VNI,
        description="First network identifier. In the order of the file, networks take every"
        " second one from it on, and links those between (10000).",
    )
    wireguard: Flag = Field(
        False,
        description="Encrypt the tunnels: each machine has a WireGuard interface, and the tunnels"
        " lead through it. Each machine in `hosts` then needs a `public_key` (false).",
    )
    private_key_file: KeyPath = Field(
        KEY_FILE,
        description="File with the private key of the machine, the same path on each of them. A"
        f" relative path starts at the folder of the topology file ({KEY_FILE}).",
    )
