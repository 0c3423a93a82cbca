"""A pool of real processes and a real Chromium, shared by all tests here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from hafailover.lab.pool import LabPool

from ..pool.starting import settled_pool
from .page import Page

DEADLINE_S = 30


@pytest.fixture(scope="package")
def pool(consul_binary: Path) -> Iterator[LabPool]:
    with settled_pool(consul_binary) as pool:
        yield pool


@pytest.fixture(scope="package")
def chromium() -> Iterator[webdriver.Chrome]:
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip(
            "NO CHROMIUM, so the page was NOT TESTED in a browser: install chromium and chromium-driver"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chromium = webdriver.Chrome(options=options, service=Service(driver))
    chromium.set_page_load_timeout(DEADLINE_S)
    chromium.set_script_timeout(DEADLINE_S)
    yield chromium
    chromium.quit()


@pytest.fixture
def page(chromium: webdriver.Chrome) -> Page:
    return Page(chromium)
