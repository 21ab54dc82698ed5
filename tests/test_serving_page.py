"""The page at ``/`` in headless Chromium, as a person uses it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_serving_server import served

import zoo
from zoo.serving.hosting import Host

DROP = """
const [url, name] = arguments, bytes = Uint8Array.from(atob(url), each => each.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], name, {type: "image/png"}));
dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("needs chromium and chromedriver, which are not on this machine")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    profile = tmp_path_factory.mktemp("profile")
    for each in ("headless=new", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking"):
        options.add_argument(f"--{each}")
    for each in ("disable-component-update", "disable-sync", "disable-dev-shm-usage", f"user-data-dir={profile}"):
        options.add_argument(f"--{each}")
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    found.set_page_load_timeout(60)
    yield found
    found.quit()


def until(wanted: Callable[[], Any]) -> Any:
    from selenium.common.exceptions import StaleElementReferenceException

    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        with suppress(StaleElementReferenceException):  # the page changed while it was looked at
            if found := wanted():
                return found
        time.sleep(0.05)
    raise AssertionError("the page did not come to it")


@pytest.mark.slow
def test_a_photo_is_dropped_and_labels_are_seen(
    browser: Any, classifier: Path, conditional: Path, workplace: Path, pixels: np.ndarray
) -> None:
    from base64 import b64encode

    photo = workplace / "digit.png"
    Image.fromarray(pixels[0]).save(photo)
    text = workplace / "notes.png"
    text.write_text("no picture")
    wanted = zoo.load(classifier).predict([photo])[0]

    def texts(selector: str) -> list[str]:
        return [each.text for each in browser.find_elements("css selector", selector) if each.text]

    host = Host({"Small Digits": classifier, "gan": conditional}, runtime="saved_model")
    with served(host, token="a-long-secret") as client:
        browser.get(f"http://127.0.0.1:{client.port}/")
        until(lambda: _prompted(browser, "a-long-secret"))
        until(lambda: "version 1, classification, 3 classes" in browser.find_element("id", "facts").text)
        browser.find_element("id", "file").send_keys(str(photo))
        rows = until(lambda: texts("#labels li"))
        assert rows[0].split("\n") == [wanted.label, f"{100 * wanted.probability:.1f} %"] and len(rows) == 3
        widths = [each.size["width"] for each in browser.find_elements("css selector", "#labels i")]
        assert widths == sorted(widths, reverse=True) and widths[0] > 20
        shown = browser.find_element("id", "photo")
        assert until(lambda: shown.is_displayed() and shown.get_property("naturalWidth")) == 8
        browser.find_element("id", "file").send_keys(str(text))
        assert "image_bytes" in until(lambda: browser.find_element("id", "wrong").text)
        assert not browser.find_element("id", "found").is_displayed()
        browser.execute_script(DROP, b64encode(photo.read_bytes()).decode(), photo.name)
        assert until(lambda: texts("#labels li")) == rows and not browser.find_element("id", "wrong").text
        browser.find_element("css selector", "#model option:nth-child(2)").click()
        width = zoo.load(conditional).width
        browser.find_element("id", "json").send_keys(f'{{"code": {[0.0] * width}, "label": "one"}}')
        browser.find_element("css selector", "#other button").click()
        assert "image_bytes" in until(lambda: browser.find_element("id", "answer").text)
        told = [each for each in browser.get_log("browser") if "401" not in each["message"]]
        assert not [each for each in told if "400" not in each["message"]], told


def _prompted(browser: Any, token: str) -> bool:
    from selenium.common.exceptions import NoAlertPresentException

    try:
        alert = browser.switch_to.alert
    except NoAlertPresentException:
        return False
    alert.send_keys(token)
    alert.accept()
    return True
