"""Options that several modules have."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  executable:
    description:
      - Path of the command C(netorch) on the machine.
      - By default the one beside the Python interpreter that runs the module, else the one in
        E(PATH).
    type: path
  lock_timeout:
    description: Seconds to wait while another netorch changes the topology.
    type: float
requirements:
  - netorch on the machine, C(pip install netorch)
  - root, such as by O(ignore:become)
attributes:
  check_mode:
    description: Can run in C(check_mode) and report what would change without changing anything.
    support: full
"""

    FILE = r"""
options:
  src:
    description:
      - Path of the topology file on the controller. The module sends its text to the machine and
        leaves no file there.
      - The file needs a C(name).
    type: path
  remote_src:
    description: Whether O(src) is a path on the machine.
    type: bool
    default: false
  content:
    description: Text of the topology file, instead of O(src).
    type: str
  folder:
    description:
      - Folder on the machine from which relative paths in the file count, such as those of private
        keys. It has no effect with O(remote_src=true), where they count from the folder of the
        file.
    type: path
    default: /etc/netorch
  host:
    description:
      - Name that the machine has in C(hosts) of the file.
      - By default the one whose C(address) the machine has.
    type: str
  set:
    description: Values for variables of the file.
    type: dict
    default: {}
"""
