"""Where a setting of the network stands (ip-sysctl in the kernel's documentation): paths below /proc/sys, with slashes."""

from __future__ import annotations

from collections.abc import Sequence

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
"""Settings of an interface that only IPv6 has (addrconf_sysctl in net/ipv6/addrconf.c)."""


def default_path(path: str) -> str | None:
    """Where the value for a new object stands: that of a new interface under `conf/default`, None for what has no such place."""
    parts = path.split("/")
    if len(parts) == 5 and parts[2] in {"conf", "neigh"} and parts[3] not in {"all", "default"}:
        return "/".join((*parts[:3], "default", parts[4]))
    return None


def with_defaults(paths: Sequence[str]) -> tuple[str, ...]:
    """Each once, and after them where their defaults stand."""
    return tuple(
        dict.fromkeys([*paths, *(default for path in paths if (default := default_path(path)))])
    )
