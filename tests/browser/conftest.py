"""A headless browser for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium import webdriver


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Start one browser for all tests of a file."""
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
