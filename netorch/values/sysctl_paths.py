"""Paths of network settings below /proc/sys (ip-sysctl in the kernel's documentation)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

IPV6_ONLY = frozenset(
    (
        "accept_dad",
        "accept_ra",
        "accept_ra_defrtr",
        "accept_ra_from_local",
        "accept_ra_min_hop_limit",
        "accept_ra_min_lft",
        "accept_ra_mtu",
        "accept_ra_pinfo",
        "accept_ra_rt_info_max_plen",
        "accept_ra_rt_info_min_plen",
        "accept_ra_rtr_pref",
        "accept_untracked_na",
        "addr_gen_mode",
        "autoconf",
        "dad_transmits",
        "disable_ipv6",
        "drop_unsolicited_na",
        "enhanced_dad",
        "force_forwarding",
        "force_mld_version",
        "force_tllao",
        "hop_limit",
        "ioam6_enabled",
        "ioam6_id",
        "ioam6_id_wide",
        "keep_addr_on_down",
        "max_addresses",
        "max_desync_factor",
        "mldv1_unsolicited_report_interval",
        "mldv2_unsolicited_report_interval",
        "mtu",
        "ndisc_evict_nocarrier",
        "ndisc_notify",
        "ndisc_tclass",
        "optimistic_dad",
        "proxy_ndp",
        "ra_defrtr_metric",
        "ra_honor_pio_life",
        "ra_honor_pio_pflag",
        "regen_max_retry",
        "regen_min_advance",
        "router_probe_interval",
        "router_solicitation_delay",
        "router_solicitation_interval",
        "router_solicitation_max_interval",
        "router_solicitations",
        "rpl_seg_enabled",
        "seg6_enabled",
        "seg6_require_hmac",
        "stable_secret",
        "suppress_frag_ndisc",
        "temp_prefered_lft",
        "temp_valid_lft",
        "use_oif_addrs_only",
        "use_optimistic",
        "use_tempaddr",
    )
)
"""Settings of an interface that exist only for IPv6 (addrconf_sysctl in net/ipv6/addrconf.c)."""


def default_path(path: str) -> str | None:
    """Return the path of a setting's default for new interfaces, such as the one in `conf/default`.

    None if the setting has no such default.
    """
    parts = path.split("/")
    if len(parts) == 5 and parts[2] in {"conf", "neigh"} and parts[3] not in {"all", "default"}:
        return "/".join((*parts[:3], "default", parts[4]))
    return None


def with_defaults(paths: Sequence[str]) -> tuple[str, ...]:
    """Return the paths, and after them the paths of their defaults, each once."""
    return tuple(
        dict.fromkeys([*paths, *(default for path in paths if (default := default_path(path)))])
    )


def by_path(paths: Sequence[str], values: Sequence[str]) -> Mapping[str, str]:
    """Return path → value of a setting, whose `values` are one for all paths or one for each.

    Each value is "" if there are none.
    """
    each = values if len(values) == len(paths) else (*values[:1], "")[:1] * len(paths)
    return dict(zip(paths, each, strict=True))
