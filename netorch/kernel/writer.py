"""Carries out requests channel by channel, rtnetlink requests in batches, and collects refusals."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from netorch.immutable import replace
from netorch.kernel.files.etc_netns import EtcFiles
from netorch.kernel.firewall import filters, forward_accept
from netorch.kernel.links import carrier, nics, tun, uplink
from netorch.kernel.links.wireguard import WireguardSocket
from netorch.kernel.namespaces.indexes import IndexResolver, Refused, UnknownLink
from netorch.kernel.namespaces.netns import OpenNetns
from netorch.kernel.namespaces.open_namespaces import Namespaces
from netorch.kernel.reader import dump_links
from netorch.kernel.system import sysctl
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink import decode
from netorch.netlink.codec import cstring
from netorch.netlink.encode import LinkRequest, asked_in, encode, link_name
from netorch.netlink.merge import Unit, fold
from netorch.values.digest import blake2b
from netorch.values.requests import (
    AddressDel,
    AltnameAdd,
    AltnameDel,
    Failure,
    FileDel,
    FileWrite,
    FilterDel,
    FilterSet,
    ForwardAcceptAdd,
    ForwardAcceptDel,
    LinkAdd,
    LinkDel,
    LinkSet,
    NameAdd,
    NameDel,
    NeighbourDel,
    NetnsAdd,
    NetnsDel,
    NicGive,
    NicTake,
    QdiscDel,
    Request,
    RouteAdd,
    RouteDel,
    RuleDel,
    SysctlSet,
    TunAdd,
    TunSet,
    UplinkJoin,
    UplinkLeave,
    WireguardPeerDel,
    WireguardPeerSet,
    WireguardSet,
)

_DELETES = (
    LinkDel,
    AddressDel,
    NeighbourDel,
    RouteDel,
    RuleDel,
    QdiscDel,
    AltnameDel,
    NetnsDel,
    NameDel,
    FileDel,
    WireguardPeerDel,
)
_Accepts = ForwardAcceptAdd | ForwardAcceptDel
_WITHOUT_LINKS = (NetnsDel, NameDel, FileDel)
"""Requests that need no index of a link."""
_GONE = (errno.ENODEV, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENOENT)
"""Errors of a delete request that say that the object is gone already."""
_TAKEN = (errno.EEXIST, errno.EBUSY)
"""Errors of a new link that say that its name or its index is taken."""
_BATCH = 128
"""The largest number of messages in a batch."""


class RequestSender:
    """Carries out one call of `LinuxKernel.transact`. Runs in the worker's thread."""

    def __init__(self, namespaces: Namespaces, etc: EtcFiles, reclaim: frozenset[str]) -> None:
        self._namespaces = namespaces
        self._resolver = IndexResolver(namespaces)
        self._etc = etc
        self._reclaim = reclaim
        self._prepared = self._tidy = self._emptied = self._links_uncertain = False
        self._pristine: dict[str, str | None] = {}
        self._batch: list[tuple[int, bytes, Unit]] = []
        # a message may name one more namespace by its file descriptor, which has to stay open until
        # the batch is sent
        self._batch_limit = max(1, min(_BATCH, namespaces.capacity - 2))
        self._batch_netns: OpenNetns | None = None
        self.failures: list[Failure] = []

    def run(self, channels: Mapping[str, Sequence[Request]]) -> list[Failure]:
        """Carry out the requests of each channel in order and return every refusal."""
        self._namespaces.round += 1
        self._namespaces.forget_links()
        try:
            for requests in channels.values():
                self._channel(requests)
        finally:
            self._etc.close()
        # a refused request may have made the directory and left it empty
        if self._emptied or self.failures:
            self._etc.finish()
        if self._tidy or self.failures:
            self._namespaces.home()
            self._namespaces.tidy()
        return self.failures

    def _channel(self, requests: Sequence[Request]) -> None:
        before = len(self.failures)
        accepts: list[_Accepts] = []
        for unit in fold(requests):
            if accepts and not _joins(accepts[-1], unit.request):
                self._accept(accepts)
                accepts = []
                if len(self.failures) != before:
                    return
            if self._links_uncertain and not isinstance(unit.request, _WITHOUT_LINKS):
                self._namespaces.forget_links()
                self._links_uncertain = False
            done = self._act(unit)
            if isinstance(unit.request, _Accepts):
                self._flush()
                accepts.append(unit.request)
            elif done is None:
                self._queue(unit)
            else:
                self._flush()
                if len(self.failures) == before:
                    self._guard(unit.request, done)
            if len(self.failures) != before:
                self._batch, self._batch_netns = [], None
                return
        self._flush()
        if accepts and len(self.failures) == before:
            self._accept(accepts)

    def _fail(self, request: Request, number: int, sentence: str) -> None:
        if not (number in _GONE and isinstance(request, _DELETES)):
            self.failures.append(Failure(request, number, sentence))

    # requests that are not rtnetlink messages

    def _act(self, unit: Unit) -> Callable[[], None] | None:
        request = unit.request
        match request:
            case NetnsAdd():
                return lambda: self._add_netns(request, unit.also)
            case NetnsDel():
                return lambda: self._remove_netns(request)
            case NameAdd():
                return lambda: self._namespaces.add_name(
                    request.netns, self._resolver.namespace(request.target), self._reclaim
                )
            case NameDel():
                return lambda: self._remove_name(request.netns)
            case SysctlSet():
                return lambda: self._set_sysctl(request)
            case FileWrite():
                return lambda: self._etc.write(request.netns, request.name, request.content)
            case FilterSet():
                return lambda: self._set_filter(request)
            case FilterDel():
                return lambda: self._remove_filter(request)
            case FileDel():
                return lambda: self._delete_file(request)
            case UplinkJoin():
                return lambda: uplink.join(
                    self._namespaces.rtnl(self._resolver.namespace(request.netns)), request
                )
            case UplinkLeave():
                return lambda: uplink.leave(
                    self._namespaces.rtnl(self._resolver.namespace(request.netns)), request
                )
            case NicTake():
                return lambda: nics.take(self._namespaces, self._resolver, request)
            case NicGive():
                return lambda: nics.give_back(self._namespaces, self._resolver, request)
            case WireguardSet() | WireguardPeerSet() | WireguardPeerDel():
                return lambda: self._wireguard(request)
            case TunAdd() | TunSet():
                return lambda: self._tun(request)
            case _:
                return None

    def _guard(self, request: Request, act: Callable[[], None]) -> None:
        try:
            act()
        except Refused as refused:
            self._fail(request, refused.number, refused.sentence)
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            self._fail(request, error.errno or errno.EIO, f"{error.strerror}{where}")

    def _add_netns(self, request: NetnsAdd, lo: LinkSet | None) -> None:
        if not self._prepared:
            self._namespaces.prepare()
            self._prepared = True
        netns = self._namespaces.new(request.netns)
        try:
            rtnl = self._namespaces.rtnl(netns)
            alias = LinkSet(
                request.netns,
                "lo",
                ((c.IFLA_IFALIAS, request.alias.encode()),) if request.alias else (),
            )
            error, refused = (
                self._at_lo(
                    rtnl, alias if lo is None else replace(lo, attrs=alias.attrs + lo.attrs)
                ),
                None,
            )
            if error is not None and lo is not None:
                refused, error = error, self._at_lo(rtnl, alias)
            if error is not None:
                raise Refused(*error)
            for path, value in request.sysctls:
                if self._new_value(path) not in {None, sysctl.squeeze(value)}:
                    sysctl.put(path, value, self._namespaces.proc)
            self._namespaces.publish(netns, self._reclaim)
        except BaseException:
            netns.close()
            raise
        if lo is not None and refused is not None:
            self._fail(lo, *refused)

    def _at_lo(self, rtnl: Rtnl, request: LinkSet) -> tuple[int, str] | None:
        if not request.attrs and request.up is None:
            return None
        seq = rtnl.next_seq()
        return rtnl.send([(seq, encode(request, seq, 0, self._resolver))]).get(seq)

    def _new_value(self, path: str) -> str | None:
        """Return the value of a setting in a new namespace, None if it has no such setting.

        It is read only in the first namespace, because opening files below /proc/sys is slow.
        """
        if path not in self._pristine:
            self._pristine[path] = sysctl.read_all((path,)).get(path)
        return self._pristine[path]

    def _delete_file(self, request: FileDel) -> None:
        self._emptied = True
        self._etc.delete(request.netns, request.name)

    def _remove_name(self, name: str) -> None:
        self._tidy = self._emptied = True
        self._namespaces.remove(name, self._reclaim)
        self._etc.tidy(name)

    def _remove_netns(self, request: NetnsDel) -> None:
        self._remove_name(request.netns)
        # the other ends of its links are gone, in whichever namespaces they were
        self._links_uncertain = True

    def _set_sysctl(self, request: SysctlSet) -> None:
        netns = self._resolver.namespace(request.netns)
        if request.settled:
            carrier.settle(self._namespaces.rtnl(netns), request.settled)
        self._namespaces.enter(netns)
        try:
            sysctl.write_all(request.paths, request.value, self._namespaces.proc)
        except OSError:
            if not request.optional:
                raise

    def _set_filter(self, request: FilterSet) -> None:
        self._namespaces.enter(self._resolver.namespace(request.netns))
        filters.replace(
            request.backend, request.topology, request.rules, request.text, request.before
        )

    def _remove_filter(self, request: FilterDel) -> None:
        self._namespaces.enter(self._resolver.namespace(request.netns))
        filters.delete(request.backend, request.topology, request.before)

    def _accept(self, requests: Sequence[_Accepts]) -> None:
        """Change the accepts of all bridges at once.

        If the kernel refuses that, change them one by one to see which one is refused.
        """
        before = len(self.failures)
        self._guard(requests[0], lambda: self._put_accepts(requests))
        if len(self.failures) == before or len(requests) == 1:
            return
        del self.failures[before:]
        for request in requests:
            self._guard(request, partial(self._put_accepts, [request]))
            if len(self.failures) != before:
                return

    def _put_accepts(self, requests: Sequence[_Accepts]) -> None:
        self._namespaces.enter(self._resolver.namespace(requests[0].netns))
        forward_accept.put(
            requests[0].topology,
            {
                request.bridge: request.rules if isinstance(request, ForwardAcceptAdd) else ()
                for request in requests
            },
        )

    def _tun(self, request: TunAdd | TunSet) -> None:
        netns = self._resolver.namespace(request.netns)
        rtnl = self._namespaces.rtnl(netns)
        self._namespaces.enter(netns)
        if isinstance(request, TunAdd):
            self._resolver.new_index(request.netns, request.name, used=False)
            tun.add(rtnl, request)
        else:
            tun.change(request)

    def _wireguard(self, request: WireguardSet | WireguardPeerSet | WireguardPeerDel) -> None:
        self._namespaces.enter(self._resolver.namespace(request.netns))
        with WireguardSocket() as wireguard:
            wireguard.carry_out(request)

    # rtnetlink messages

    def _queue(self, unit: Unit) -> None:
        try:
            netns = self._resolver.namespace(asked_in(unit.request))  # type: ignore[arg-type]
            if netns is not self._batch_netns or len(self._batch) >= self._batch_limit:
                before = len(self.failures)
                self._flush()
                if len(self.failures) != before:
                    return
                self._batch_netns = netns
            try:
                self._encode(netns, unit)
            except UnknownLink as unknown:
                before = len(self.failures)
                self._flush()
                if len(self.failures) != before:
                    return
                self._batch_netns = netns
                self._look_up(unknown)
                self._encode(netns, unit)
            if isinstance(unit.request, LinkAdd) and not netns.next_index:
                # The kernel continues after an error, and the next messages contain the name of
                # this link. If the kernel refused the link, they would change a foreign link of
                # that name. So they are sent only after the answer to this message.
                self._flush()
        except Refused as refused:
            self._flush()
            self._fail(unit.origin[0], refused.number, refused.sentence)

    def _encode(self, netns: OpenNetns, unit: Unit) -> None:
        request: LinkRequest = unit.request  # type: ignore[assignment]
        seq = self._namespaces.rtnl(netns).next_seq()
        self._batch.append((seq, encode(request, seq, 0, self._resolver, unit.also), unit))
        if isinstance(request, LinkDel):
            # The kernel also deletes the other end of a cable, in whichever namespace it is.
            # Indices that netorch chose are never used again, so they stay valid.
            netns.indices.pop(request.name, None)
            self._namespaces.forget_links()
        elif isinstance(request, AltnameAdd | AltnameDel) or (
            isinstance(request, LinkSet) and _renames(request)
        ):
            netns.complete = False
            if not isinstance(request, AltnameAdd):
                netns.indices.pop(
                    request.altname if isinstance(request, AltnameDel) else request.name, None
                )

    def _look_up(self, unknown: UnknownLink) -> None:
        netns = self._resolver.namespace(unknown.netns)
        if netns.complete:
            raise unknown
        rtnl = self._namespaces.rtnl(netns)
        if netns.indices:
            # The other links are known, and this one is new: a dump for each new link would be
            # quadratic.
            (answers,) = rtnl.get(c.RTM_GETLINK, (bytes(16) + link_name(unknown.name),))
            if not answers:
                raise unknown
            netns.indices[unknown.name] = decode.links(answers)[0].index
            return
        links = dump_links(rtnl)
        self._namespaces.learn_links(
            netns, {name: link.index for link in links for name in (link.name, *link.altnames)}
        )

    def _flush(self) -> None:
        netns, batch = self._batch_netns, self._batch
        self._batch, self._batch_netns = [], None
        if netns is None or not batch:
            return
        try:
            errors = self._namespaces.rtnl(netns).send([(seq, data) for seq, data, _ in batch])
        except OSError as error:
            # it is unknown which of them were carried out, so the last one counts as refused
            errors = {batch[-1][0]: (error.errno or errno.EIO, "")}
        if not errors:
            return
        for seq, _, unit in batch:
            if seq not in errors:
                continue
            number, sentence = errors[seq]
            if number in _GONE and isinstance(unit.request, _DELETES):
                continue
            if (
                number == errno.EEXIST
                and isinstance(unit.request, RouteAdd)
                and (unit.request.append or self._replaces_own(netns, unit.request))
            ):
                continue
            self._forget_indices(unit)
            if len(unit.origin) > 1 or (isinstance(unit.request, LinkAdd) and number in _TAKEN):
                self._replay(unit)
            else:
                self._fail(unit.origin[0], number, sentence or os.strerror(number))

    def _replaces_own(self, netns: OpenNetns, request: RouteAdd) -> bool:
        """Replace a route that did not disappear with its link as expected.

        Return False if the route is foreign. An IPv6 route is added next to foreign ones.
        """
        desired = request.route
        routes = [
            route
            for route in decode.routes(
                self._namespaces.rtnl(netns).dump(c.RTM_GETROUTE, bytes(12)), {}
            )
            if route.place == desired.place
        ]
        foreign = any(route.protocol != desired.protocol for route in routes)
        # The kernel lists only the first protocol of several IPv6 hops, and NLM_F_REPLACE would
        # replace all hops.
        if desired.family == c.AF_INET6 and (
            foreign or any(len(route.hops) > 1 for route in routes)
        ):
            return self._add_hops(request)
        return not foreign and self._send(replace(request, replace=True)) is None

    def _add_hops(self, request: RouteAdd) -> bool:
        """Add an IPv6 route to foreign ones, next hop by next hop."""
        legs = request.route.legs
        for leg in legs:
            # the protocol is part of the request, so the kernel deletes no foreign route
            self._send(RouteDel(request.netns, leg))
        return all(self._send(RouteAdd(request.netns, leg, append=True)) is None for leg in legs)

    def _forget_indices(self, unit: Unit) -> None:
        """Forget the link indices of a request's namespaces, which a refusal makes uncertain."""
        labels = [unit.request.netns]
        if isinstance(unit.request, LinkAdd) and unit.request.peer is not None:
            labels.append(unit.request.peer.netns)
        for label in labels:
            netns = self._namespaces.find(label)
            if netns is not None:
                netns.forget()

    def _replay(self, unit: Unit) -> None:
        """Send the requests behind a refused message one by one to see which one is refused.

        The kernel chooses the indices of new links here.
        """
        for request in unit.origin:
            error = self._send(request)  # type: ignore[arg-type]
            if (
                error is not None
                and error[0] == errno.EEXIST
                and isinstance(request, LinkAdd)
                and asked_in(request) != request.netns
            ):
                error = self._add_renamed(request)
            if error is not None:
                self._fail(request, error[0], error[1] or os.strerror(error[0]))
                return

    def _add_renamed(self, request: LinkAdd) -> tuple[int, str] | None:
        """Add a link under a temporary name and rename it.

        Kernels before 6.15 also look for the name in the parent's namespace, and refuse the request
        if the name is taken there.
        """
        made = replace(
            request, name=f"new-{blake2b(request.name.encode(), digest_size=5).hexdigest()}"
        )
        error = self._send(made)
        if error is None and (
            error := self._send(
                LinkSet(request.netns, made.name, ((c.IFLA_IFNAME, cstring(request.name)),))
            )
        ):
            self._send(LinkDel(request.netns, made.name))
        self._resolver.namespace(request.netns).forget()
        return error

    def _send(self, request: LinkRequest) -> tuple[int, str] | None:
        """Send one request. Return errno and message if it is refused."""
        try:
            rtnl = self._namespaces.rtnl(self._resolver.namespace(asked_in(request)))
            seq = rtnl.next_seq()
            try:
                data = encode(request, seq, 0, self._resolver)
            except UnknownLink as unknown:
                self._look_up(unknown)
                data = encode(request, seq, 0, self._resolver)
            return rtnl.send([(seq, data)]).get(seq)
        except Refused as refused:
            return refused.number, refused.sentence


def _joins(first: _Accepts, request: Request) -> bool:
    """Whether both requests can be carried out at once."""
    return isinstance(request, _Accepts) and (first.netns, first.topology) == (
        request.netns,
        request.topology,
    )


def _renames(request: LinkSet) -> bool:
    return any(number == c.IFLA_IFNAME for number, _ in request.attrs)
