"""Impairments of what a link sends: a netem or tbf as its root qdisc (tc-netem(8), tc-tbf(8)).

The qdisc is removed with its link and survives down and up. It has no mark of its own: every netem
or tbf at the root of one of the topology's links belongs to the topology.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.immutable import replace
from netorch.kinds.base.link import link_key
from netorch.language.impairment import Impairment
from netorch.netlink.qdisc import (
    TICK,
    Netem,
    burst_of,
    is_burst,
    netem_options,
    read_netem,
    read_tbf,
    tbf_options,
    ticks_of,
)
from netorch.state.key import Key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Disruption, Resource
from netorch.values.requests import Feature, QdiscDel, QdiscSet, Request
from netorch.values.snapshot import QdiscRecord

HEADERS = 18
"""The bytes that Ethernet and a VLAN tag add to a packet."""
LARGEST_MTU = 65535
"""The MTU to assume where it is not known."""
_U32_MAX = 2**32 - 1


def impair_key(netns: str, link: str) -> Key:
    return Key("impair", netns, link)


@observed
class Impair(NoForeignObjects, Resource):
    """The root qdisc of a link.

    It has no distribution of delays, which cannot be read back, and no handle, which the kernel
    chooses.
    """

    KIND: ClassVar[str] = "impair"
    REMOVAL: ClassVar[Disruption] = Disruption.UPDATE
    netns: str
    link: str
    impairment: Impairment
    burst: int | None = None
    """The number of bytes that tbf sends at once after a pause; None for netem."""
    queue: int | None = None
    """The number of bytes that may wait in tbf; None for netem."""
    other: str = ""
    """Options that no key of the file stands for."""

    @classmethod
    def of(cls, netns: str, link: str, impairment: Impairment, mtu: int) -> Self:
        """Return the resource for an impairment.

        The MTU (0: unknown) decides burst and queue, unless the impairment has them.
        """
        impairment = impairment.normal()
        if impairment.qdisc != "tbf":
            return cls(netns, link, impairment)
        burst, queue = bucket(impairment.rate, frame_of(mtu))
        if impairment.burst:
            burst = impairment.burst
            queue = burst + max(impairment.rate // 20, 10 * frame_of(mtu))
        if impairment.latency:
            queue = burst + impairment.rate * impairment.latency // 10**9
        plain = replace(impairment, burst=0, latency=0)
        return cls(netns, link, plain, burst, min(queue, _U32_MAX))

    @property
    def key(self) -> Key:
        return impair_key(self.netns, self.link)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return (link_key(self.netns, self.link),)

    @property
    def part_of(self) -> Key | None:
        return link_key(self.netns, self.link) if self.link != "lo" else None

    @property
    def features(self) -> tuple[Feature, ...]:
        return (FEATURES[self.impairment.qdisc],)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for link in view.our_links if view.netns.qdiscs else ():
            record = view.netns.qdiscs.get(link.index)
            if record is not None:
                yield cls.read(view.label, link.name, record, link.mtu)

    @classmethod
    def read(cls, netns: str, link: str, record: QdiscRecord, mtu: int) -> Self:
        if record.kind == "tbf":
            tbf = read_tbf(record.options)
            bursts = (bucket(tbf.rate, frame_of(size))[0] for size in (mtu, 0))
            burst = next(
                (burst for burst in bursts if is_burst(tbf.buffer, tbf.rate, burst)),
                burst_of(tbf.buffer, tbf.rate),
            )
            return cls(
                netns=netns,
                link=link,
                impairment=Impairment(rate=tbf.rate),
                burst=burst,
                queue=tbf.limit,
                other=tbf.other,
            )
        netem = read_netem(record.options)
        chances = (netem.loss, netem.duplicate, netem.corrupt, netem.reorder)
        impairment = Impairment(netem.delay, netem.jitter, *chances, netem.rate, netem.limit)
        return cls(netns, link, impairment.normal(), other=netem.other)

    def differs(self, before: Resource) -> bool:
        if not isinstance(before, Impair) or before.other not in {"", self.other}:
            return True
        if _in_ticks(self.impairment) != _in_ticks(before.impairment):
            return True
        if self.burst is None or before.burst is None:
            return self.burst != before.burst
        # The kernel keeps the burst as a time in ticks, so a number of bytes comes back inexact.
        rate = self.impairment.rate
        ticks = abs(ticks_of(rate, self.burst) - ticks_of(rate, before.burst))
        is_same = ticks <= 2 or abs(self.burst - before.burst) <= 1
        return not is_same or self.queue != before.queue

    def create(self) -> Iterable[Request]:
        return (QdiscSet(self.netns, self.link, self.impairment.qdisc, self.options()),)

    def update(self, before: Self) -> Sequence[Request] | None:
        """Return the requests that change a qdisc, or replace it if the kind differs.

        A changed qdisc keeps the packets that wait in it.
        """
        # A qdisc with options that no key of the file stands for is deleted first, because a change
        # would leave these options as they are.
        return [*(self.delete() if before.other else ()), *self.create()]

    def delete(self) -> Iterable[Request]:
        return (QdiscDel(self.netns, self.link),)

    def options(self) -> bytes:
        impairment = self.impairment
        if impairment.qdisc == "tbf":
            return tbf_options(impairment.rate, self.burst or 0, self.queue or 0)
        chances = (impairment.loss, impairment.duplicate, impairment.corrupt, impairment.reorder)
        return netem_options(
            Netem(
                impairment.delay, impairment.jitter, *chances, impairment.rate, impairment.packets
            )
        )

    def attributes(self) -> Mapping[str, str]:
        attributes = dict(self.impairment.file_values()) or {"qdisc": self.impairment.qdisc}
        # Burst and queue are left out if they are the values that follow from the rate alone.
        if self.impairment.qdisc == "tbf":
            usual = bucket(self.impairment.rate, 0)
            actual = {"burst": self.burst, "queue": self.queue}
            attributes |= {
                name: str(value)
                for (name, value), other in zip(actual.items(), usual, strict=True)
                if value != other
            }
        return attributes | ({"also": self.other} if self.other else {})

    def file_values(self, mtu: int) -> Mapping[str, str]:
        """Return the keys and values of the file for a link with this MTU."""
        values = self.impairment.file_values()
        usual = bucket(self.impairment.rate, frame_of(mtu))
        if self.burst is None or self.queue is None or (self.burst, self.queue) == usual:
            return values
        waits = -(-max(self.queue - self.burst, 0) * 10**9 // self.impairment.rate)
        own = Impairment(burst=self.burst, latency=waits)
        return {**values, **own.file_values()}

    def default_text(self, name: str) -> str | None:
        default = getattr(self, name, None)
        return str(default).lower() if isinstance(default, int) else None

    def title(self) -> str:
        return f"impair {label_text(self.netns)}/{self.link}"


def _in_ticks(impairment: Impairment) -> Impairment:
    """Return the impairment with its times in the kernel's ticks, as in tc(8).

    A time that is not 0 is at least one tick.
    """
    delay, jitter = (
        max(1, time // TICK) if time else 0 for time in (impairment.delay, impairment.jitter)
    )
    return replace(impairment, delay=delay, jitter=jitter)


def frame_of(mtu: int) -> int:
    """Return the size of the largest frame. If the MTU is 0, it is unknown: assume the largest."""
    return (mtu or LARGEST_MTU) + HEADERS


def bucket(rate: int, frame: int) -> tuple[int, int]:
    """Return the burst and the queue of tbf, in bytes.

    The burst is 4 ms at the full rate, but at least two frames, because the bucket would overflow
    between two frames otherwise. The queue is 50 ms more, but at least ten frames more than the
    burst, because a slow link would drop nearly all packets that arrive at once otherwise.
    """
    burst = max(rate // 250, 2 * frame)
    return min(burst, _U32_MAX), min(max(rate // 20 + rate // 250, burst + 10 * frame), _U32_MAX)


def _feature(qdisc: str, impairment: Impairment) -> Feature:
    probe = QdiscSet("", "lo", qdisc, Impair.of("", "lo", impairment, 0).options())
    return Feature(
        f"{qdisc} qdisc",
        f"CONFIG_NET_SCH_{qdisc.upper()}",
        f"sch_{qdisc}",
        (probe,),
        frozenset((errno.ENOENT,)),
    )


FEATURES = {
    "netem": _feature("netem", Impairment(delay=1)),
    "tbf": _feature("tbf", Impairment(rate=1000)),
}
