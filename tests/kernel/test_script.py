"""What `netorch explain FILE` prints is a working script: `sh` makes of it what `netorch apply` makes of the file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kernel.everykind import NIC, every_kind
from tests.kernel.host import PATH, Host, Snapshot, diff_snapshots
from tests.kernel.kindcase import require
from tests.kernel.test_topologies import AROUND, FILES, NEEDS, THIRD, copied

DOCKER = """\
#!/bin/sh -e
# docker inspect --format FORMAT NAME, of the stand-in
exec python3 - "$4" <<'END'
import http.client, json, socket, sys
connection = http.client.HTTPConnection("docker")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect("/run/docker.sock")
connection.request("GET", f"/containers/{sys.argv[1]}/json")
print(json.load(connection.getresponse())["State"]["Pid"])
END
"""

UNSAID = ((r'"num_[rt]x_queues": \d+(, )?', ""), (r'("learning": \w+), "link": "[^"]*"', r"\1"))
"""netorch makes cables with one queue, which is quicker, and a person would not type that; and what bridge(8) takes for the other end of a
cable out of the namespace, a number there looked up here."""
MARKS = (
    (r'"group": "\d+"', '"group": "default"'),
    (r'"ifalias": "netorch:[^ "]*( (peer|uplink|from)=[^ "]*)* ?', '"ifalias": "'),
    (r'"ifalias": ""(, )?', ""),
    (r',? "protocol": "(1\d\d|boot|unspec)"', ""),
    (r"# netorch:[^:]*: written by `netorch apply`, removed by `netorch destroy`\\n", ""),
)
"""What a script without --marks leaves out; a route that is made by hand has the protocol `boot`."""


def without(shot: Snapshot, *patterns: tuple[str, str]) -> Snapshot:
    """Without what the patterns find, and without netorch's own files."""

    def cut(text: str) -> str:
        for pattern, instead in patterns:
            text = re.sub(pattern, instead, text)
        return text

    return {
        where: {cut(what): cut(text) for what, text in found.items() if not what.startswith("/run/netorch")}
        for where, found in shot.items()
    }


def run_script(host: Host, file: Path, *options: str) -> None:
    """As somebody would who has `docker` and nothing else of netorch's."""
    tools = host.directory / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "docker").write_text(DOCKER)
    (tools / "docker").chmod(0o755)
    script = host.write("script.sh", host.netorch("explain", *options, file).stdout)
    done = host.run("sh", script, env={"PATH": f"{tools}:{PATH}"})
    assert (done.stdout, done.stderr) == ("", "")


def knows_protocols(host: Host) -> bool:
    """Whether ip(8) can mark an address (iproute2 6.3)."""
    return host.run("unshare", "-n", "ip", "address", "add", "127.0.0.2/32", "dev", "lo", "proto", "100", check=False).returncode == 0


def is_in_sync(host: Host, file: Path, name: str) -> None:
    diff = host.netorch("diff", file, check=False)
    assert (diff.stdout, diff.returncode) == (f"{name}: in sync\n", 0)


def is_an_apply(host: Host, file: Path, name: str) -> None:
    """To netorch, if it is marked; to outside tools without the marks too."""
    host.netorch("apply", file)
    applied = without(host.snapshot(), *UNSAID, *MARKS)
    host.netorch("destroy", file)
    if name in MARKED_ADDRESSES and not knows_protocols(host):
        before = host.snapshot()
        refused = host.run("sh", "-c", host.netorch("explain", "--marks", file).stdout, check=False)
        assert (refused.returncode, refused.stderr) == (1, "ip address knows no proto: take iproute2 6.3\n")
        assert diff_snapshots(before, host.snapshot()) == []
    else:
        run_script(host, file, "--marks")
        is_in_sync(host, file, name)
        host.netorch("destroy", file)
    run_script(host, file)
    assert diff_snapshots(applied, without(host.snapshot(), *UNSAID, *MARKS)) == []


MARKED_ADDRESSES = {"vm-modes"}
"""Files with an address on a link that may have others."""


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[pytest.mark.qemu if path.stem in THIRD else pytest.mark.uml] if path.stem in NEEDS else [])
        for path in FILES
    ],
)
def test_the_script_of_a_topology_is_an_apply_of_it(host: Host, path: Path) -> None:
    require(host, *NEEDS.get(path.stem, ()))
    AROUND.get(path.stem, lambda _: None)(host)
    file = copied(host, path) if path.with_suffix("").is_dir() else path
    if path.stem == "star-100":
        # a hundred of one kind: that netorch finds nothing is enough
        run_script(host, file, "--marks")
        is_in_sync(host, file, path.stem)
    else:
        is_an_apply(host, file, path.stem)


@pytest.mark.uml
def test_every_kind_of_object_has_its_command(host: Host) -> None:
    # a default spreads to links that are there only when it is set for the first time (devinet_copy_dflt_conf)
    words, _ = every_kind(host)
    file = host.write("lab.yaml", words.replace("conf.default.rp_filter", "conf.all.rp_filter"))
    host.run("sh", "-ec", NIC)
    is_an_apply(host, file, "lab")
