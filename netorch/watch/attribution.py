"""Says who made a drift, from the notifications of its namespace. This module is pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from netorch.kernel.events.notification import Notification
from netorch.watch.drift import Drift
from netorch.watch.events import NOBODY, Actor

_NOTIFIED_AS = {
    "port": "link",
    "up": "link",
    "peer": "link",
    "primary": "link",
    "lacp_rate": "link",
    "fdb": "neighbour",
    "mac": "neighbour",
    "forward": "filter",
    "publish": "filter",
    "routes": "route",
}
"""Kind of a key → kind of its notifications, where they differ."""


def by_notifications(
    notifications: Mapping[str, Sequence[Notification]], own: int = 0
) -> Callable[[Drift], Actor]:
    """Return a function that says who made a drift.

    `notifications` is label → what Linux notified there. The actor is that of the last notification
    about the object, or about objects of its kind if all of these have the same one. If several
    have made such changes, nobody is named, and neither is the process `own`.
    """

    def who(drift: Drift) -> Actor:
        kind = _NOTIFIED_AS.get(drift.key.kind, drift.key.kind)
        there = [
            one
            for one in notifications.get(drift.key.netns, ())
            if one.kind == kind and _tells(one, own)
        ]
        named = [one for one in there if one.name and one.name in drift.key.parts]
        if named:
            return _actor(named[-1])
        actors = {_actor(one) for one in there}
        return actors.pop() if len(actors) == 1 else NOBODY

    return who


def _tells(notification: Notification, own: int) -> bool:
    process = notification.process
    return process.pid != own if process is not None else bool(notification.protocol)


def _actor(notification: Notification) -> Actor:
    process = notification.process
    if process is None:
        return Actor(protocol=notification.protocol)
    return Actor(process.pid, process.command, process.user, notification.protocol)
