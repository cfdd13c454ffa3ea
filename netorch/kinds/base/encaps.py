"""The kernel features that encapsulations of routes need."""

from __future__ import annotations

from collections.abc import Iterator
from errno import EINVAL, EOPNOTSUPP

from netorch.netlink import encap
from netorch.netlink.constants import (
    AF_INET,
    LWTUNNEL_ENCAP_IP,
    LWTUNNEL_ENCAP_IP6,
    LWTUNNEL_ENCAP_MPLS,
    LWTUNNEL_ENCAP_SEG6,
    LWTUNNEL_ENCAP_SEG6_LOCAL,
    RT_SCOPE_LINK,
    RT_TABLE_MAIN,
    RTN_UNICAST,
    RTPROT_STATIC,
)
from netorch.values.requests import Encap, Feature, Hop, RouteAdd, RouteSpec

_DST = bytes((192, 0, 2, 0))
_SEGMENT = (bytes(15) + b"\1",)


def _feature(
    what: str, config: str, sample: Encap, module: str = "", lacks: int = EOPNOTSUPP
) -> Feature:
    """Return the feature of routes such as one with `sample`. `lacks` is the errno without it."""
    hops = (Hop(None, "lo", encap=sample),)
    place = (AF_INET, _DST, 24, RT_TABLE_MAIN, 0, RTN_UNICAST, RT_SCOPE_LINK)
    # The kernel looks at the encapsulation first. If it has that, it refuses because lo is down.
    probe = (RouteAdd("", RouteSpec(*place, RTPROT_STATIC, hops)),)
    return Feature(what, config, module, probe, frozenset((lacks,)))


MPLS = _feature("MPLS", "CONFIG_MPLS_IPTUNNEL", encap.mpls((16,)), "mpls_iptunnel")
SRV6 = _feature("SRv6", "CONFIG_IPV6_SEG6_LWTUNNEL", encap.seg6("encap", _SEGMENT))
FEATURES = {
    LWTUNNEL_ENCAP_MPLS: MPLS,
    LWTUNNEL_ENCAP_IP: _feature(
        "routes with `encap: {ip: …}`", "CONFIG_LWTUNNEL", encap.tunnel(4, number=1)
    ),
    LWTUNNEL_ENCAP_IP6: _feature(
        "routes with `encap: {ip6: …}`", "CONFIG_LWTUNNEL", encap.tunnel(6, number=1)
    ),
    LWTUNNEL_ENCAP_SEG6: SRV6,
    LWTUNNEL_ENCAP_SEG6_LOCAL: SRV6,
}
"""Encapsulation (LWTUNNEL_ENCAP_…) → its feature."""
_MODES = {
    mode: _feature(
        f"`mode: {mode}` of SRv6",
        "CONFIG_IPV6_SEG6_LWTUNNEL of Linux 6.0 or newer",
        encap.seg6(mode, _SEGMENT),
        lacks=EINVAL,
    )
    for mode in ("encap.red", "l2encap.red")
}
"""Mode of SRv6 that older kernels lack → its feature."""


def features_of(one: Encap) -> Iterator[Feature]:
    """Yield the features that a route with an encapsulation needs."""
    if one.type in FEATURES:
        yield FEATURES[one.type]
    if one.type == LWTUNNEL_ENCAP_SEG6 and (mode := encap.mode_of(one)) in _MODES:
        yield _MODES[mode]
