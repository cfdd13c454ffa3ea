"""The page of `netorch graph -o html` in a real browser.

It moves and zooms, searches, shows details, and requests nothing from the network.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
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

LAB = DOCKER + "checks:\n  - {from: pc, to: 192.0.2.1, tcp: 8080}\n"
MIDDLE = """
const line = arguments[0], box = line.getBoundingClientRect();
const point = line.getPointAtLength(line.getTotalLength() / 2);
const middle = point.matrixTransform(line.getScreenCTM());
return [middle.x - (box.left + box.right) / 2, middle.y - (box.top + box.bottom) / 2]
    .map(Math.round);
"""
"""The way from the middle of the box around a line to the middle of the line, in pixels."""

MANY = "name: many\nnodes: {r: {networks: [lan]}, pc: {}, 'h[1-200]': {networks: [lan]}}\nnetworks: {lan: {subnet: 10.0.0.0/16}}\nlinks: [[r:up, pc:eth0]]"


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
    opened = Page(browser, tmp_path / "lab.html", html.document(place(picture(LAB))))
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
    assert page.browser.switch_to.active_element.get_attribute("id") == "stage", (
        "it left the search"
    )
    assert page.find("#search").get_attribute("value") == ""
    page.press("0")
    assert page.view() == (x, y, scale)
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


def test_a_cable_opens_by_mouse_and_by_keyboard(page: Page) -> None:
    label = "cable box eth0 192.0.2.1/30 to pc eth0 192.0.2.2/30"
    cable = page.find(f'.edge[aria-label="{label}"]')
    label_of = cable.find_element(By.CSS_SELECTOR, ".middle")
    ActionChains(page.browser).move_to_element(label_of).perform()
    card = page.find("#card")
    assert card.is_displayed() and "box eth0 192.0.2.1/30" in card.text
    label_of.click()
    panel = page.find("#panel")
    assert page.find("#panel-name").text == "box – pc" and page.find("#panel-kind").text == "cable"
    assert not card.is_displayed()
    for words in ("eth0: veth, peer box:eth0", "eth0 192.0.2.2/30", "delay 10ms"):
        assert words in panel.text
    page.press(Keys.ESCAPE)
    focus = page.browser.switch_to.active_element
    assert focus.get_attribute("aria-label") == label
    line = page.find('.edge[aria-label^="owner box lan"] .grip')
    right, down = page.browser.execute_script(MIDDLE, line)
    pointer = ActionChains(page.browser).move_to_element_with_offset(line, right + 2, down + 2)
    pointer.click().perform()
    assert page.find("#panel-name").text == "box – lan", "the line need not be hit precisely"
    page.press(Keys.ESCAPE)
    last = page.all("#stage .thing")[-1]
    page.browser.execute_script("arguments[0].focus()", last)
    page.press(Keys.TAB, Keys.ENTER)
    assert page.find("#panel-kind").text in {"cable", "the network's bridge or device in a node"}
    assert page.all(".edge.chosen")


def corners(line: WebElement) -> list[float]:
    return [float(word) for word in re.findall(r"-?[\d.]+", line.get_attribute("d") or "")]


def test_a_node_can_be_dragged_and_its_cables_follow(page: Page) -> None:
    node, scale = page.thing("node pc"), page.view()[2]
    line = page.find('.edge[aria-label^="cable box eth0"] .wire')
    other = page.find('.edge[aria-label^="cable lan"] .wire')
    before, place_of, still = corners(line), node.location, other.get_attribute("d")
    view = page.view()
    ActionChains(page.browser).drag_and_drop_by_offset(node, 30, 90).perform()
    assert page.view() == view and not page.find("#panel").is_displayed()
    assert node.location["y"] - place_of["y"] == pytest.approx(90, abs=8)
    after = corners(line)
    assert after[:2] == before[:2]
    assert after[-1] - before[-1] == pytest.approx(90 / scale, abs=8 / scale)
    assert other.get_attribute("d") == still
    page.press("r")
    assert corners(line) == before and node.location == place_of


def test_checks_and_published_ports_are_listed(page: Page) -> None:
    lists = page.find("#overview")
    assert not lists.is_displayed()
    page.find("#lists").click()
    assert lists.text.split("\n") == [
        "CHECKS",
        "pc reaches 192.0.2.1, tcp 8080",
        "PUBLISHED PORTS",
        "web: 127.0.0.1:8080 → 80/tcp",
    ]
    page.press(Keys.ESCAPE)
    assert not lists.is_displayed()


def pages_of(browser: webdriver.Chrome, landscape: bool) -> int:
    """Print the page and return on how many sheets it is."""
    command = {"landscape": landscape, "printBackground": True}
    paper = b64decode(browser.execute_cdp_cmd("Page.printToPDF", command)["data"])
    return len(re.findall(rb"/Type\s*/Page\b", paper))


SHEETS = {"portrait": (700, 990), "landscape": (1040, 650)}


@pytest.mark.parametrize("sheet", SHEETS)
def test_it_prints_whole(browser: webdriver.Chrome, tmp_path: Path, sheet: str) -> None:
    """A sheet has the whole picture with all texts, also if the page is zoomed in and dark."""
    page = Page(browser, tmp_path / "many.html", html.document(place(picture(MANY))))
    page.find("#theme").click()
    page.press("+", "+", "+", Keys.ARROW_LEFT)
    assert pages_of(browser, sheet == "landscape") == 1
    view = page.view()
    width, height = SHEETS[sheet]
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    try:
        box = page.find("#view").rect
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        assert box["y"] >= 0 and box["y"] + box["height"] <= height
        assert page.find(".thing .end").is_displayed()
        assert not page.find("#tools").is_displayed()
        assert (
            page.find("body").value_of_css_property("background-color") == "rgba(255, 255, 255, 1)"
        )
    finally:
        browser.execute_script("dispatchEvent(new Event('afterprint'))")
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert page.view() == view
    page.check()


@pytest.mark.parametrize("times", [0, 6])
def test_names_of_hubs_are_readable_at_every_zoom(
    browser: webdriver.Chrome, tmp_path: Path, times: int
) -> None:
    page = Page(browser, tmp_path / "many.html", html.document(place(picture(MANY))))
    page.press(*"-" * times)
    assert not page.find(".thing .end").is_displayed()
    sizes = {
        name: page.find(f'.thing[aria-label="{name}"] .name').rect["height"]
        for name in ("node r", "network lan, segment")
    }
    assert max(sizes.values()) >= 10, sizes
    hub = page.thing("network lan, segment")
    ActionChains(browser).move_to_element(hub).perform()
    assert "10.0.0.0/16" in page.find("#card").text
    if times:
        assert not page.find('.thing[aria-label="node h7"] .name').is_displayed()
    page.check()


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
