"""One topology that is watched: what is known of it, and how it is compared again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from netorch.converge.attached import attach
from netorch.converge.compare import Difference, compare
from netorch.converge.previous import Previous
from netorch.converge.recorded_state import reload
from netorch.immutable import replace
from netorch.kernel.events.notification import MOST, Inode, News, Notification
from netorch.kernel.files import pending, records
from netorch.kinds.filter import PacketFilter
from netorch.kinds.sysctl import Sysctl
from netorch.state.key import HOST, is_attached
from netorch.watch.drift import Drift, Place
from netorch.watch.events import NOBODY, Actor, Event
from netorch.watch.intended import Intention

if TYPE_CHECKING:
    from netorch.kernel.files.records import Holder, Record
    from netorch.kernel.linux import LinuxKernel
    from netorch.resolve.loaded import Loaded
    from netorch.watch.reconcile import Reconciler

_WIREGUARD = "wireguard"
_NOTIFYING_BACKENDS = frozenset(("nftables",))
"""Packet filters of which Linux tells every change."""


class Subject:
    """A topology on this machine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.record: Record | None = None
        """What was applied last; None as long as nothing is applied."""
        self.loaded: Loaded | None = None
        self.difference: Difference | None = None
        """The last comparison."""
        self.reports: Mapping[Place, Drift] = {}
        """The drifts that users were told."""
        self.intentions: Mapping[tuple[object, ...], Intention] = {}
        """The intended deviations that users were told."""
        self.actors: dict[str, Actor] = {}
        """Title of an object that differs → who changed it last, if that is known."""
        self.failure = ""
        """Why it cannot be compared, as users were told."""
        self.holder: Holder | None = None
        """The process that holds the lock, or held it last."""
        self.is_announced = False
        """Whether users were told that it is watched."""
        self.is_due = True
        """Whether it has to be compared."""
        self.everything = True
        """Whether all namespaces have to be read again."""
        self.labels: set[str] = set()
        """The namespaces to read again."""
        self.notifications: dict[str, list[Notification]] = {}
        """Namespace → what was notified since the last comparison."""
        self.has_new_labels = False
        """Whether it is to be compared again at once, without waiting for news."""
        self.inodes: dict[Inode, str] = {}
        """Namespace → its label."""
        self.reconciler: Reconciler | None = None

    @property
    def is_busy(self) -> bool:
        """Whether another netorch works on it, or an apply waits to be confirmed."""
        return records.is_locked(self.name) or pending.read(self.name) is not None

    def names(self) -> tuple[str, ...]:
        """Return the labels of all its namespaces that it knows of."""
        desired = self.loaded.desired if self.loaded is not None else None
        if desired is None:
            return ()
        made = {key.netns for key in desired.state if key.kind == "netns"}
        return (HOST, *sorted(made), *sorted(desired.attached))

    def has_name(self, names: set[str]) -> bool:
        """Whether one of these names in /run/netns or /etc/netns is the topology's."""
        return not names.isdisjoint((*self.names(), *self.second_names()))

    def second_names(self) -> tuple[str, ...]:
        """Return the second names of its namespaces."""
        desired = self.loaded.desired if self.loaded is not None else None
        return tuple(desired.second_names.values()) if desired is not None else ()

    def nodes(self) -> dict[str, str]:
        """Return label of a namespace → the node whose namespace it is."""
        return self.loaded.desired.nodes if self.loaded is not None else {}

    def mark(self, labels: Iterable[str]) -> None:
        """Let these namespaces be read again."""
        self.labels.update(labels)
        self.is_due = True

    def mark_all(self) -> None:
        """Let everything be read again."""
        self.is_due = self.everything = True

    def hear(self, news: News) -> None:
        """Take over what concerns this topology."""
        for inode, notifications in news.notifications.items():
            label = self.inodes.get(inode)
            if label is None:
                continue
            self.mark((label,))
            there = self.notifications.setdefault(label, [])
            # another netorch may work on the topology for long, while much changes
            there[:] = [*there, *notifications][-MOST:]
        if news.lost & self.inodes.keys():
            self.mark_all()
        if named := news.names | news.files:
            self.is_due = self.is_due or "" in named or self.has_name(named)
        if self.name in news.records or "" in news.records:
            self.is_due = True

    def load(self) -> Loaded:
        """Load the file on record. Raise NetorchError if that is not possible."""
        if self.loaded is None:
            assert self.record is not None
            self.loaded = reload(self.name, self.record)
        return self.loaded

    def look(self, kernel: LinuxKernel) -> Difference:
        """Compare. Raise NetorchError if that is not possible.

        The record has been read before.
        """
        desired = self.load().desired
        previous = replace(Previous.read(self.name), loaded=desired)
        attached = attach(kernel, desired, previous.attached)
        before = None if self.everything else self.difference
        changed = frozenset(self.labels)
        self.labels, self.everything, self.is_due = set(), False, False
        try:
            difference = compare(
                kernel,
                desired,
                previous,
                None,
                attached=attached,
                before=before,
                changed=None if before is None else changed,
            )
        except BaseException:
            # what was notified meanwhile is not known
            self.everything = True
            self.difference = None
            raise
        self.difference = difference
        self.inodes = {
            netns.inode: label
            for label, netns in difference.snapshot.namespaces.items()
            if not netns.shares
        }
        return difference

    def remember_actors(self, events: Iterable[Event]) -> None:
        """Remember who made the drifts of these events."""
        for event in events:
            if event.who != NOBODY:
                self.actors[event.object] = event.who
        objects = {place.object for place in self.reports}
        self.actors = {title: who for title, who in self.actors.items() if title in objects}

    def quiet_labels(self) -> list[str]:
        """Return the namespaces with something of which Linux does not tell all changes.

        These are the peers of WireGuard, and packet filters of iptables.
        """
        if self.difference is None:
            return []
        snapshot, desired = self.difference.snapshot, self.difference.desired
        others = {
            resource.netns
            for resource in desired.values()
            if isinstance(resource, PacketFilter) and resource.backend not in _NOTIFYING_BACKENDS
        }
        return [
            label
            for label, netns in snapshot.namespaces.items()
            if netns.wireguard or label in others
        ]

    @property
    def names_change_quietly(self) -> bool:
        """Whether a namespace may be replaced by another one without a notification.

        This is so where a path is attached, which may lead to another namespace at any time.
        """
        desired = self.loaded.desired if self.loaded is not None else None
        return desired is not None and bool(desired.attached)

    def settings(self) -> dict[str, dict[str, str]]:
        """Return label → path → value of the sysctls of the file, as they were read last."""
        if self.difference is None:
            return {}
        values: dict[str, dict[str, str]] = {}
        namespaces = self.difference.snapshot.namespaces
        for resource in self.difference.desired.values():
            if isinstance(resource, Sysctl) and not is_attached(resource.netns):
                netns = namespaces.get(resource.netns)
                there = {} if netns is None else netns.sysctls
                values.setdefault(resource.netns, {}).update(
                    {path: there[path] for path in resource.paths if path in there}
                )
        return values
