"""Pass the packets of one connection through packet filters: what drops and translates them."""

from __future__ import annotations

from dataclasses import dataclass, field

from netorch.firewall.chains import ChosenPort
from netorch.firewall.evaluation import HookVerdict, Packet, run, with_fields
from netorch.walk.result import PacketStopped
from netorch.walk.routing import address_on
from netorch.walk.world import Place


@dataclass(slots=True)
class ConntrackEntry:
    """What a namespace remembers of a connection: its first packet, as it came and as it left."""

    before: Packet
    after: Packet

    @property
    def translated(self) -> bool:
        return self.before.destination != self.after.destination

    @property
    def changes_source(self) -> bool:
        before, after = self.before, self.after
        return (before.source, before.sport) != (after.source, after.sport)

    def undoes(self, answer: Packet) -> bool:
        """Whether an address of the answer is one that the first packet was translated to."""
        return (self.changes_source and answer.destination == self.after.source) or (
            self.translated and answer.source == self.after.destination
        )


@dataclass(slots=True)
class Connection:
    """The connection of a packet and its answer, with what namespaces remember about it."""

    first: bool = True
    """Whether the packet is the first one, which rules translate; the answer is translated back."""
    open: bool = False
    """Whether the packet is one like the first, after the answer. It is translated as that was."""
    tracks: dict[str, ConntrackEntry] = field(default_factory=dict)
    """Label → what the namespace remembers."""
    doubts: dict[str, bool] = field(default_factory=dict)
    """What could not be evaluated → whether it may divert the packet, and not only drop it."""
    notes: list[str] = field(default_factory=list)
    """What was done to the packet since `noted` was called last."""

    def doubt(self, text: str, *, diverts: bool = False) -> None:
        self.doubts[text] = diverts or self.doubts.get(text, False)

    def hook(self, place: Place, hook: str, packet: Packet, *, tracked: bool = True) -> HookVerdict:
        """Run the chains of a hook. Raise PacketStopped if they drop the packet.

        `tracked` is False for a packet that does not belong to the connection.
        """
        verdict = run(place.filters, hook, packet, first=self.first and tracked)
        for doubt in verdict.doubts:
            self.doubt(f"{place.name}: {doubt}", diverts=verdict.diverts)
        if verdict.dropped:
            raise PacketStopped(f"{place.name}: {verdict.dropped}")
        return verdict

    def to(self, place: Place, packet: Packet, verdict: HookVerdict, iif: str) -> Packet:
        if verdict.destination is None:
            return packet
        address, port = verdict.destination
        if address is None:
            address = (
                packet.destination
                if not iif
                else address_on(place, iif, packet.source, packet.source)
            )
        new = with_fields(
            packet,
            destination=address or packet.destination,
            dport=port if port > 0 else packet.dport,
            translated=True,
        )
        self.notes.append(f"DNAT: {_there(packet)} becomes {_there(new)}{_by(verdict)}")
        return new

    def postrouting(self, place: Place, packet: Packet) -> Packet:
        track = self.tracks.get(place.label)
        if not self.first:
            self.hook(place, "postrouting", packet)
            return self.undo_destination(track, packet) if track is not None else packet
        verdict = self.hook(place, "postrouting", packet)
        if verdict.source is not None:
            address = verdict.source[0] or address_on(
                place, packet.oif, packet.destination, packet.destination
            )
            if address is None:
                raise PacketStopped(
                    f"{place.name}: {packet.oif} has no IPv{packet.version} address "
                    "to masquerade with"
                )
            what = "masquerade" if verdict.source[0] is None else "SNAT"
            sport, text = _source_port(packet, verdict.source[1])
            if address != packet.source or text:
                self.notes.append(
                    f"{what}: source {packet.source} becomes {address}{text}{_by(verdict)}"
                )
            packet = with_fields(packet, source=address, sport=sport)
        if track is not None:
            track.after = packet
        return packet

    def undo_source(self, track: ConntrackEntry, packet: Packet) -> Packet:
        before = track.before
        if track.changes_source and packet.destination == track.after.source:
            self.notes.append(f"translated back: {packet.destination} becomes {before.source}")
            return with_fields(packet, destination=before.source, dport=before.sport)
        return packet

    def undo_destination(self, track: ConntrackEntry, packet: Packet) -> Packet:
        if packet.source == track.after.destination and (
            packet.sport == track.after.dport or not packet.sport
        ):
            if (track.before.destination, track.before.dport) != (
                track.after.destination,
                track.after.dport,
            ):
                self.notes.append(
                    f"translated back: source {packet.source} becomes {track.before.destination}"
                )
            return with_fields(packet, source=track.before.destination, sport=track.before.dport)
        return packet

    def state(self, track: ConntrackEntry | None) -> str:
        if self.first and not self.open:
            return "new"
        return "established" if track is not None else "invalid"

    def noted(self) -> tuple[str, ...]:
        notes = tuple(self.notes)
        self.notes.clear()
        return notes


def _source_port(packet: Packet, port: int | ChosenPort) -> tuple[int, str]:
    """Return a source port that the kernel may choose, and a text about the choice.

    The kernel keeps the packet's own port if it is in the range.
    """
    if not packet.sport or not isinstance(port, ChosenPort) or port.ports is None:
        return packet.sport, ""
    first, last = port.ports
    text = f", with port {first}" if first == last else f", with a port of {first}-{last}"
    return (packet.sport if first <= packet.sport <= last else first), text


def _there(packet: Packet) -> str:
    if not packet.dport:
        return str(packet.destination)
    return (
        f"[{packet.destination}]:{packet.dport}"
        if packet.version == 6
        else f"{packet.destination}:{packet.dport}"
    )


def _by(verdict: HookVerdict) -> str:
    return f" ({verdict.by})" if verdict.by else ""
