"""Writes queueing disciplines as commands of tc(8)."""

from __future__ import annotations

from shlex import quote

from netorch.language.impairment import percent_text, rate_text, time_text
from netorch.netlink.codec import attributes
from netorch.netlink.qdisc import TCA_TBF_BURST, read_netem, read_tbf
from netorch.render.script.context import Commands, Context, words
from netorch.values.requests import QdiscDel, QdiscSet


def qdisc_set(request: QdiscSet, context: Context) -> Commands:
    options = _tbf(request.options) if request.kind == "tbf" else _netem(request.options)
    tc, link = context.tool("tc", request.netns), quote(request.link)
    return [f"{tc} qdisc replace dev {link} root {request.kind} {options}"]


def qdisc_del(request: QdiscDel, context: Context) -> Commands:
    return [f"{context.tool('tc', request.netns)} qdisc delete dev {quote(request.link)} root"]


def _netem(options: bytes) -> str:
    netem = read_netem(options)
    chances = (
        ("loss", netem.loss),
        ("duplicate", netem.duplicate),
        ("corrupt", netem.corrupt),
        ("reorder", netem.reorder),
    )
    return words(
        f"limit {netem.limit}",
        f"delay {time_text(netem.delay)}" if netem.delay else "",
        time_text(netem.jitter) if netem.jitter else "",
        *(f"{word} {percent_text(part)}" for word, part in chances if part),
        f"rate {rate_text(netem.rate)}" if netem.rate else "",
    )


def _tbf(options: bytes) -> str:
    tbf = read_tbf(options)
    burst = int.from_bytes(attributes(options, 0, len(options))[TCA_TBF_BURST], "little")
    return f"rate {rate_text(tbf.rate)} burst {burst}b limit {tbf.limit}b"
