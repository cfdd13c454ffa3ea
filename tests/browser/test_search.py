"""The search of the built pages in a real browser: a key's reference is the first result."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.pages import ROOT

FIRST = {
    "gateway": "language.html#key-network-gateway",
    "publish": "language.html#key-node-publish",
    "impair": "language.html#key-interface-common-impair",
    "mtu": "language.html#key-interface-common-mtu",
    "attach": "language.html#key-node-attach",
    "forwarding": "language.html#key-node-forwarding",
    "sysctls": "language.html#key-node-sysctls",
    "subnet": "language.html#key-network-subnet",
    "mode": "language.html#key-network-mode",
    "uplink": "language.html#key-network-uplink",
    "name": "language.html#key-top-level-name",
    "port_isolation": "language.html#key-network-port_isolation",
    "default_route": "language.html#key-membership-default_route",
    "vlan_filtering": "language.html#key-bridge-settings-vlan_filtering",
    "loss": "language.html#key-impair-loss",
    "via": "language.html#key-route-via",
    "to": "language.html#key-route-to",
    "fwmark": "language.html#key-rule-fwmark",
    "reachable": "language.html#key-check-reachable",
    "allowed_ips": "language.html#key-wireguard-peer-allowed_ips",
    "backend": "language.html#key-top-level-backend",
    "miimon": "kinds.html#key-bond-miimon",
    "macvlan": "kinds.html#macvlan",
    "apply": "cli.html#apply",
    "watch": "cli.html#command-watch",
    "check": "cli.html#check",
    "install": "install.html",
    "at boot": "howto/keep-it-so.html",
    "FAQ": "faq.html",
    "comparison": "comparison.html",
    "gateway network": "language.html#key-network-gateway",
    "route metric": "language.html#key-route-metric",
}
"""Query → the first result that it must have."""


def keys() -> Iterator[str]:
    """Yield each key that a table of the reference explains."""
    for page in ("language", "kinds"):
        rows: list[str] = []
        for line in (ROOT / f"docs/{page}.md").read_text(encoding="utf-8").splitlines():
            rows = [*rows, line] if line.startswith("|") else []
            if rows and rows[0].startswith("| key |") and len(rows) > 2:
                yield re.match(r"\| `(\w+)` \|", line)[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the pages. Returns their folder."""
    pytest.importorskip("sphinx")
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-b", "html", "docs", str(folder)],
        cwd=ROOT,
        check=True,
    )
    return folder


@pytest.fixture(scope="module")
def searcher(browser: webdriver.Chrome, site: Path) -> webdriver.Chrome:
    """Open the page of the search and wait until it has loaded its index."""
    type_query(browser, site, "gateway")
    return browser


def type_query(browser: webdriver.Chrome, site: Path, query: str) -> list[str]:
    """Search as a reader does. Returns the targets of the results on the page, best first."""
    browser.get(f"{site.as_uri()}/index.html")
    box = browser.find_element(By.CSS_SELECTOR, "input[name=q]")
    box.send_keys(query)
    box.submit()
    links = WebDriverWait(browser, 20).until(
        lambda page: page.find_elements(By.CSS_SELECTOR, "#search-results li a")
    )
    return [link.get_attribute("href").removeprefix(f"{site.as_uri()}/") for link in links]


def first_results(searcher: webdriver.Chrome, queries: list[str]) -> dict[str, str]:
    """Return the target of the first result of each query, as the page itself ranks them."""
    targets = searcher.execute_script(
        """return arguments[0].map(query => {
            const [page, , anchor] = Search._performSearch(...Search._parseQuery(query)).pop();
            return `${page}.html${anchor}`;
        })""",
        queries,
    )
    return dict(zip(queries, targets, strict=True))


def test_a_typed_key_finds_its_reference_first(browser: webdriver.Chrome, site: Path) -> None:
    assert type_query(browser, site, "mtu")[0].split("?")[0] == FIRST["mtu"]
    text = browser.find_element(By.CSS_SELECTOR, "#search-results li").text
    assert text == "mtu (key of an interface, in The topology language)"


def test_the_first_results(searcher: webdriver.Chrome) -> None:
    assert first_results(searcher, list(FIRST)) == FIRST


def test_every_key_finds_its_reference_first(searcher: webdriver.Chrome) -> None:
    names = sorted(set(keys()))
    assert len(names) > 130
    wrong = {
        name: target
        for name, target in first_results(searcher, names).items()
        if not re.fullmatch(rf"(language|kinds)\.html#key-[\w-]+-{name}", target)
    }
    assert wrong == {}


def test_a_title_is_still_a_first_result(searcher: webdriver.Chrome) -> None:
    assert first_results(searcher, ["Troubleshooting"]) == {
        "Troubleshooting": "howto/troubleshooting.html"
    }


def test_the_result_leads_to_the_row_of_the_key(browser: webdriver.Chrome, site: Path) -> None:
    for target in FIRST.values():
        page, _, anchor = target.partition("#")
        if anchor.startswith("key-"):
            browser.get(f"{site.as_uri()}/{page}#{anchor}")
            row = browser.find_element(By.ID, anchor)
            key = row.find_element(By.TAG_NAME, "td").text
            assert row.tag_name == "tr" and anchor.endswith(f"-{key}"), target
