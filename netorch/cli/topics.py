"""Words of topology files and the page that describes each, for `netorch help WORD`."""

from __future__ import annotations

_SECTIONS = {
    word: section
    for words, section in (
        ("file files topology language yaml name version prefix", "top-level"),
        ("range ranges", "ranges"),
        ("var vars variable variables", "variables"),
        ("default defaults", "defaults"),
        ("profile profiles", "profiles"),
        ("node nodes", "nodes"),
        ("attach container containers", "attaching"),
        ("interface interfaces", "interfaces"),
        ("tunnels", "tunnels"),
        ("neighbour neighbours neighbor neighbors arp", "neighbours"),
        ("ports", "ports-of-a-bridge"),
        ("address addresses", "addresses"),
        ("route routes gateway", "routes"),
        ("encap mpls srv6 seg6", "encapsulation"),
        ("rule rules", "rules"),
        ("sysctl sysctls forwarding", "sysctls"),
        ("dns names aliases extra_hosts", "names-inside-the-nodes"),
        ("network networks subnet", "networks"),
        ("mode modes", "modes"),
        ("overlay overlays", "overlays"),
        ("publish published", "published-ports"),
        ("nat masquerade snat dnat", "nat-in-a-node"),
        ("filter filters firewall", "filter-in-a-node"),
        ("membership memberships", "membership"),
        ("links cable cables", "links"),
        ("endpoint endpoints", "endpoints"),
        ("impairment impairments delay loss rate jitter", "impairments"),
        ("checks", "checks"),
        ("host hosts machine machines", "machines"),
        ("backend", "backend"),
        ("mark marks", "marks"),
    )
    for word in words.split()
}
"""Word → the section of docs/language.md. Commands of netorch are not here."""

_PAGES = {
    "kind": "docs/kinds.md",
    "kinds": "docs/kinds.md",
    "error": "docs/errors.md",
    "errors": "docs/errors.md",
    "json": "docs/json.md",
    "python": "docs/python.md",
    "pytest": "docs/pytest.md",
    "ansible": "docs/howto/remote.md",
}


def page_of(word: str) -> str:
    """Return the page, and its section, that describes a word of topology files, "" if none does.

    The word is a kind of interface, a key, or a subject.
    """
    from netorch.topology.interfaces import KINDS

    if word in KINDS:
        return f"docs/kinds.md#{word}"
    if word in _SECTIONS:
        return f"docs/language.md#{_SECTIONS[word]}"
    return _PAGES.get(word, "")
