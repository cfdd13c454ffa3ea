"""Test WireGuard: the interface, its peers, and that netorch never prints a key.

Only the third test kernel has WireGuard (tests/qemu).
"""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path

import pytest

from netorch.kinds.base.curve25519 import public_key
from tests.kernel.host import Host, diff_snapshots, sentences
from tests.kernel.kindcase import Damage, Edit, KindCase, check_kind, has_kind, require
from tests.kernel.test_topologies import FOLDER, copied

A, B, C, SHARED = (b64encode(bytes([number]) * 32).decode() for number in (8, 16, 40, 99))
PUBLIC_B, PUBLIC_C = (b64encode(public_key(bytes([number]) * 32)).decode() for number in (16, 24))

PEER_B = (
    f"{{public_key: {PUBLIC_B}, endpoint: '192.0.2.2:51820', allowed_ips: [10.9.0.2/32, "
    "'fd09::2'], keepalive: 25, preshared_key_file: ab.psk}"
)
PEER_C = f"{{public_key: {PUBLIC_C}, allowed_ips: 10.9.0.3}}"


def words(private: str = "a.key", more: str = "listen_port: 51820", *peers: str) -> str:
    return (
        f"{{kind: wireguard, private_key_file: {private}, {more}, addresses: [10.9.0.1/24], "
        f"peers: [{', '.join(peers)}]}}"
    )


WIREGUARD = KindCase(
    "name: lab\nnodes: {a: {interfaces: {wg0: $WORDS}}}",
    words("a.key", "listen_port: 51820", PEER_B),
    ("wireguard",),
    sees=(
        ("ip -n a -d link show wg0", "mtu 1420"),
        ("ip netns exec a wg showconf wg0", f"ListenPort = 51820\nPrivateKey = {A[:-3]}Eg=\n"),
        (
            "ip netns exec a wg showconf wg0",
            f"PublicKey = {PUBLIC_B}\nPresharedKey = {SHARED}\n"
            "AllowedIPs = 10.9.0.2/32, fd09::2/128\n",
        ),
        (
            "ip netns exec a wg showconf wg0",
            "Endpoint = 192.0.2.2:51820\nPersistentKeepalive = 25\n",
        ),
    ),
    edits=(
        Edit(
            words(
                "c.key",
                "fwmark: 7",
                PEER_B.replace("keepalive: 25", "keepalive: 5").replace(
                    "192.0.2.2:51820", "[2001:db8::2]:1"
                ),
                PEER_C,
            ),
            "~ wireguard a/wg0  private_key_file (secret) → c.key  fwmark 0 → 7  [update]",
            (
                f"~ peer a/wg0 {PUBLIC_B}  endpoint 192.0.2.2:51820 → [2001:db8::2]:1  "
                "keepalive 25 → 5  [update]",
                f"+ peer a/wg0 {PUBLIC_C}  allowed_ips 10.9.0.3/32",
            ),
        ),
        Edit(
            words(
                "a.key",
                "listen_port: 51820, mtu: 1300",
                PEER_B.replace(", preshared_key_file: ab.psk", "").replace(
                    "'fd09::2'", "10.9.0.3/32"
                ),
            ),
            "~ wireguard a/wg0 … [update]",
            (
                f"- peer a/wg0 {PUBLIC_C}",
                f"~ peer a/wg0 {PUBLIC_B} … preshared_key_file (secret) → none  [update]",
            ),
        ),
    ),
    damages=(
        Damage(
            f"ip netns exec a sh -c 'wg genkey >x; wg set wg0 private-key x listen-port 7 fwmark 9 peer {PUBLIC_C} allowed-ips 10.9.0.2/32'; rm x",
            "~ wireguard a/wg0  private_key_file (secret) → a.key  listen_port 7 → 51820  "
            "fwmark 9 → 0  [update]",
            (
                f"- peer a/wg0 {PUBLIC_C}",
                f"~ peer a/wg0 {PUBLIC_B}  allowed_ips fd09::2/128 → 10.9.0.2/32, fd09::2/128",
            ),
        ),
        Damage(
            f"ip netns exec a sh -c 'wg genpsk >x; wg set wg0 peer {PUBLIC_B} preshared-key x endpoint 192.0.2.7:1 persistent-keepalive 0'; rm x",
            f"~ peer a/wg0 {PUBLIC_B}  endpoint 192.0.2.7:1 → 192.0.2.2:51820  keepalive 0 → 25  "
            "preshared_key_file (secret) → ab.psk  [update]",
        ),
        Damage(
            "ip -n a link del wg0",
            "+ wireguard a/wg0  private_key_file a.key  listen_port 51820",
            (
                f"+ peer a/wg0 {PUBLIC_B}  endpoint 192.0.2.2:51820  allowed_ips 10.9.0.2/32, "
                "fd09::2/128  keepalive 25  preshared_key_file ab.psk",
            ),
        ),
        Damage(
            f"ip netns exec a wg set wg0 peer {PUBLIC_B} remove",
            f"+ peer a/wg0 {PUBLIC_B}  endpoint … ",
        ),
    ),
)


def keys(host: Host) -> None:
    for name, key in (("a.key", A), ("b.key", B), ("c.key", C), ("ab.psk", SHARED)):
        path = host.write(name, f"{key}\n")
        path.chmod(0o600)


def no_secret_in(text: str) -> None:
    for key in (A, B, C, SHARED):
        assert key[:40] not in text


@pytest.mark.qemu
def test_wireguard(host: Host) -> None:
    keys(host)
    check_kind(host, WIREGUARD)


@pytest.mark.qemu
def test_a_pair_that_roams_and_no_output_has_its_keys(host: Host) -> None:
    require(host, "wireguard")
    keys(host)
    many = ", ".join(f"10.{number // 250}.{number % 250}.0/24" for number in range(1000, 1600))
    text = f"""
name: lab
nodes:
  a: {{interfaces: {{wg0: {words("a.key", "listen_port: 51820", PEER_B.replace("10.9.0.2/32", f"10.9.0.2/32, {many}"))}}}}}
  b:
    interfaces:
      wg0:
        kind: wireguard
        private_key_file: b.key
        addresses: 10.9.0.2/24
        peers: [{{public_key: {b64encode(public_key(bytes([8]) * 32)).decode()}, preshared_key_file: ab.psk, endpoint: "192.0.2.1:51820", allowed_ips: 10.9.0.1}}]
links: [{{endpoints: ["a:eth0", "b:eth0"], subnet: 192.0.2.0/30}}]
"""
    file = host.write("lab.yaml", text)
    outputs = [
        host.netorch("diff", file, "-o", "json", check=False).stdout,
        host.netorch("apply", file, "-o", "json").stdout,
    ]
    assert (
        len(host.run("ip", "netns", "exec", "a", "wg", "show", "wg0", "allowed-ips").stdout.split())
        == 603
    )
    # The file has no port for b, so the kernel chose one. It differs from the port in a's entry
    # for b, and a learns it from the first packet.
    assert host.reaches("b", "10.9.0.1")
    port = host.run("ip", "netns", "exec", "b", "wg", "show", "wg0", "listen-port").stdout.strip()
    assert (
        f"192.0.2.2:{port}"
        in host.run("ip", "netns", "exec", "a", "wg", "show", "wg0", "endpoints").stdout
    )
    assert host.netorch("diff").stdout == "lab: in sync\n"
    # an endpoint that changes in the file counts again
    file.write_text(text.replace("192.0.2.2:51820", "192.0.2.2:51821"))
    difference = host.netorch("diff", file, check=False).stdout
    assert (
        difference.splitlines()[0]
        == f"~ peer a/wg0 {PUBLIC_B}  endpoint 192.0.2.2:{port} → 192.0.2.2:51821  [update]"
    )
    outputs += [
        difference,
        host.netorch("apply", file).stdout,
        host.netorch("show", "lab").stdout,
        host.netorch("list", "-o", "json").stdout,
    ]
    again = host.write("again.yaml", host.netorch("show", "lab", "-o", "yaml").stdout)
    assert str(host.directory / "a.key") in again.read_text()
    assert host.netorch("diff", again).stdout == "lab: in sync\n"
    host.netorch("diff", file, "--out", "plan.json")
    outputs += [
        again.read_text(),
        (host.directory / "plan.json").read_text(),
        # the cache of the state is not text
        host.run("sh", "-c", "cat /run/netorch/lab/* | LC_ALL=C tr -cd '[:print:]\\n'").stdout,
    ]
    (host.directory / "a.key").unlink()
    lost = host.netorch("show", "lab", "-o", "yaml")
    assert (
        "the private key of wireguard a/wg0 is in no file that netorch knows: put it into a-wg0.key"
        in lost.stderr
    )
    # destroy needs no key file
    outputs += [lost.stdout, lost.stderr, host.netorch("destroy", "lab").stdout]
    for text in outputs:
        no_secret_in(text)


def test_a_bad_key_file_is_an_error_before_anything_changes(host: Host) -> None:
    keys(host)
    before = host.snapshot()
    file = host.write("lab.yaml", WIREGUARD.file.replace("$WORDS", WIREGUARD.words))
    place = f"{file}:2:49: wireguard a/wg0: {host.directory}/a.key"
    messages = {
        "printf 'A'": f"{place} does not hold one key of 32 bytes in base64. `wg genkey` makes one.",
        f"printf '{A}{B}'": f"{place} does not hold one key of 32 bytes in base64. `wg genkey` makes one.",
        f"printf '{'A' * 43}='": f"{place} does not hold one key of 32 bytes in base64. `wg genkey` makes one.",
        "head -c 600 /dev/zero": f"{place} is larger than 512 bytes. A key file holds one key and nothing else.",
        "rm a.key; echo": f"{place} does not hold one key of 32 bytes in base64. `wg genkey` makes one.",
    }
    for command, message in messages.items():
        host.run("sh", "-c", f"{command} >a.key")
        assert first_error(host, file) == message, command
    for command, message in {
        "rm a.key": f"{place}: No such file or directory. The path is relative to the topology's folder, "
        f"{host.directory}.",
        "mkfifo a.key": f"{place} is not a plain file.",
        "rm a.key; mkdir a.key": f"{place} is not a plain file.",
    }.items():
        host.run("sh", "-c", command)
        assert first_error(host, file) == message, command
    # netorch reports all errors at once, and needs no key to validate or compare files
    (host.directory / "ab.psk").unlink()
    assert len(sentences(host.netorch("apply", file, check=False).stderr)) == 2
    host.netorch("validate", file)
    other = host.write(
        "other.yaml", file.read_text().replace("a.key", "c.key").replace("ab.psk", "x.psk")
    )
    assert host.netorch("diff", file, other, check=False).stdout.splitlines() == [
        "~ wireguard a/wg0  private_key_file a.key → c.key  [update]",
        f"~ peer a/wg0 {PUBLIC_B}  preshared_key_file ab.psk → x.psk  [update]",
        "lab: 2 to update",
    ]
    assert diff_snapshots(before, host.snapshot()) == []


def first_error(host: Host, file: Path) -> str:
    done = host.netorch("apply", file, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    no_secret_in(done.stderr)
    return done.stderr.splitlines()[0]


def test_a_kernel_without_wireguard_and_a_key_that_everybody_can_read(host: Host) -> None:
    keys(host)
    os.chmod(host.directory / "a.key", 0o644)
    file = host.write("lab.yaml", WIREGUARD.file.replace("$WORDS", WIREGUARD.words))
    done = host.netorch("diff", file, check=False)
    no_secret_in(done.stdout + done.stderr)
    if has_kind(host, "wireguard"):
        assert (
            f"{host.directory}/a.key: everybody can read this key: chmod 600 {host.directory}/a.key"
            in done.stderr
        )
    else:
        assert done.stderr.startswith(
            f"{file}:2:26: this kernel has no wireguard links: wireguard a/wg0 cannot be made. "
            "Load the module (`modprobe wireguard`)"
        )


def test_a_peer_that_is_itself(host: Host) -> None:
    keys(host)
    own = b64encode(public_key(bytes([8]) * 32)).decode()
    file = host.write(
        "lab.yaml",
        WIREGUARD.file.replace("$WORDS", words("a.key", "mtu: 1400", f"{{public_key: {own}}}")),
    )
    done = host.netorch("apply", file, check=False)
    assert (
        f"wireguard a/wg0: its peer {own} is itself: this is the public key of its own private key. Name the other end's public key."
        in done.stderr
    )


@pytest.mark.qemu
def test_a_router_on_the_way_sees_only_udp(host: Host) -> None:
    require(host, "wireguard")
    host.netorch("apply", copied(host, FOLDER / "wireguard.yaml"))
    with host.start(
        "ip",
        "netns",
        "exec",
        "internet",
        "timeout",
        "60",
        "tcpdump",
        "-nli",
        "to-berlin",
        "-c",
        "4",
        "ip or net fd00::/16",
    ) as dump:
        assert dump.stderr is not None and dump.stdout is not None
        while "listening on" not in dump.stderr.readline():
            pass
        assert host.ping("pc-berlin", "fd00:2::2", count=2)
        lines = dump.stdout.read().splitlines()
    assert len(lines) == 4
    assert all(
        " 198.51.100.2.51820 > 203.0.113.2.51820: UDP" in line
        or " 203.0.113.2.51820 > 198.51.100.2.51820: UDP" in line
        for line in lines
    )
