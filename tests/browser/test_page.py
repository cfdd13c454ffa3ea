"""The page of `netorch graph -o html` in a real browser.

It moves and zooms, searches, shows details, and requests nothing from the network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from netorch.render.graph import html
from netorch.render.graph.layout import place
from tests.unit.render.test_graph import DOCKER, hostile, picture

MANY = "name: many\nnodes: {r: {networks: [lan]}, pc: {}, 'h[1-200]': {networks: [lan]}}\nnetworks: {lan: {subnet: 10.0.0.0/16}}\nlinks: [[r:up, pc:eth0]]"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Start one browser for all the tests."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    home = tmp_path_factory.mktemp("browser")
    for argument in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",
        "window-size=1200,800",
        f"user-data-dir={home}",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService("/usr/bin/chromedriver")
    )
    try:
        yield driver
    finally:
        driver.quit()


class Page:
    """The page of one topology, as a user sees it."""

    def __init__(self, browser: webdriver.Chrome, file: Path, text: str) -> None:
        self.browser = browser
        file.write_text(text, encoding="utf-8")
        browser.get_log("performance")
        browser.get_log("browser")
        browser.get(file.as_uri())

    def find(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def thing(self, label: str) -> WebElement:
        return self.find(f'.thing[aria-label="{label}"]')

    def press(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    def view(self) -> tuple[float, float, float]:
        """Return x, y and scale of the drawing."""
        numbers = re.findall(r"-?[\d.]+", self.find("#view").get_attribute("transform") or "")
        x, y, scale = map(float, numbers)
        return x, y, scale

    def check(self) -> None:
        """Check that there was no error, and that the browser requested nothing but the page."""
        assert self.browser.get_log("browser") == []
        messages = [
            json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")
        ]
        sent = [
            message["params"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
        # Chromium's own first tab loads at the same time, and Chromium requests icons from itself,
        # such as the cross in a search field
        urls = {
            request["request"]["url"]
            for request in sent
            if request["documentURL"] == self.browser.current_url
        }
        assert {url for url in urls if not url.startswith(("data:,", "chrome://resources/"))} == {
            self.browser.current_url
        }


@pytest.fixture
def page(browser: webdriver.Chrome, tmp_path: Path) -> Iterator[Page]:
    opened = Page(browser, tmp_path / "lab.html", html.document(place(picture(DOCKER))))
    yield opened
    opened.check()


def test_it_zooms_and_moves(page: Page) -> None:
    x, y, scale = page.view()
    page.find("#in").click()
    assert page.view()[2] > scale
    page.find("#out").click()
    assert page.view()[2] == pytest.approx(scale, rel=1e-3)
    stage = page.find("#stage")
    ActionChains(page.browser).scroll_from_origin(
        webdriver.common.actions.wheel_input.ScrollOrigin.from_element(stage), 0, -200
    ).perform()
    assert page.view()[2] > scale
    page.find("#fit").click()
    assert page.view() == (x, y, scale)
    ActionChains(page.browser).move_to_element_with_offset(
        stage, -300, 200
    ).click_and_hold().move_by_offset(50, 20).release().perform()
    assert page.view() == (pytest.approx(x + 50, abs=6), pytest.approx(y + 20, abs=6), scale)
    assert not page.find("#panel").is_displayed()


def test_a_click_shows_all_details_of_a_node(page: Page) -> None:
    page.thing("router box").click()
    panel = page.find("#panel")
    assert panel.is_displayed() and page.find("#panel-name").text == "box"
    assert [heading.text.lower() for heading in page.all("#panel h3")][:2] == [
        "about",
        "interfaces",
    ]
    for words in (
        "forwards IPv4 and IPv6",
        "eth0 192.0.2.1/30",
        "delay 10ms",
        "masquerade 10.1.0.0/24 out eth0",
        "addresses: [10.9.9.9/32]",
    ):
        assert words in panel.text
    page.thing("network lan, nat").click()
    assert page.find("#panel-name").text == "lan" and "web:eth0 172.17.0.2/24" in panel.text
    page.find("#close").click()
    assert not panel.is_displayed()


def test_everything_works_by_keyboard(page: Page) -> None:
    x, y, scale = page.view()
    page.press(Keys.ARROW_LEFT, "+")
    assert page.view()[2] > scale
    page.press("0")
    assert page.view() == (x, y, scale)
    page.press("/")
    assert page.browser.switch_to.active_element.get_attribute("id") == "search"
    page.press("172.17.0.2")
    assert sorted(thing.get_attribute("aria-label") or "" for thing in page.all(".thing.hit")) == [
        "network lan, nat",
        "node web",
    ]
    assert page.find("#found").text == "2 matches"
    assert page.find('.thing[aria-label="node pc"]').value_of_css_property("opacity") != "1"
    page.press(Keys.ENTER)
    assert page.find("#found").text == "1 of 2" and page.find("#panel").is_displayed()
    page.press(Keys.ESCAPE)
    assert not page.all(".thing.hit") and not page.find("#panel").is_displayed()
    page.browser.execute_script(
        "document.activeElement.blur(); arguments[0].focus()", page.thing("node pc")
    )
    page.press(Keys.ENTER)
    assert page.find("#panel-name").text == "pc"
    assert page.browser.switch_to.active_element.get_attribute("id") == "panel"
    page.press(Keys.ESCAPE)
    assert page.browser.switch_to.active_element.get_attribute("aria-label") == "node pc"
    page.press(Keys.TAB)
    assert "thing" in (page.browser.switch_to.active_element.get_attribute("class") or "")


def test_it_is_light_or_dark(page: Page) -> None:
    colours = [page.find("body").value_of_css_property("background-color")]
    shapes = [page.find(".thing.node .shape").value_of_css_property("fill")]
    page.find("#theme").click()
    colours.append(page.find("body").value_of_css_property("background-color"))
    shapes.append(page.find(".thing.node .shape").value_of_css_property("fill"))
    assert len(set(colours)) == len(set(shapes)) == 2


def test_every_control_has_a_name(page: Page) -> None:
    assert page.browser.title == "lab" and page.find("html").get_attribute("lang") == "en"
    for control in page.all("button, input, #stage .thing"):
        assert control.accessible_name or not control.is_displayed(), control.get_attribute(
            "outerHTML"
        )


def test_search_works_in_a_network_of_200(browser: webdriver.Chrome, tmp_path: Path) -> None:
    page = Page(browser, tmp_path / "many.html", html.document(place(picture(MANY))))
    scale = page.view()[2]
    page.find("#search").send_keys("h150", Keys.ENTER)
    assert page.find("#panel-name").text == "h150"
    assert page.view()[2] >= max(scale, 0.8)
    box, stage = page.thing("node h150").rect, page.find("#stage").rect
    assert (
        stage["x"] < box["x"] < stage["x"] + stage["width"]
        and stage["y"] < box["y"] < stage["y"] + stage["height"]
    )
    page.check()


def test_no_text_of_a_file_becomes_markup(browser: webdriver.Chrome, tmp_path: Path) -> None:
    page = Page(browser, tmp_path / "hostile.html", html.document(place(hostile())))
    page.find(".thing.router").click()
    assert "</script><script>alert(1)</script><!--" in page.find("#panel-name").text
    assert "</script><script>alert(1)</script><!--" in page.find("#panel pre").text
    assert len(page.all("script")) == 2
    assert page.browser.title.startswith("</script>")
    page.check()
