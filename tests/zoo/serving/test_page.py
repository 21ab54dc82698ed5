"""The page at ``/`` in headless Chromium, as a person uses it."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo
from support import masks
from support.places import KEPT
from support.servers import served
from zoo.builders.preprocessing import spaced_words
from zoo.pictures.overlays import overlay
from zoo.serving.dispatcher import Limits
from zoo.serving.model_manager import ModelManager

SECRET = "a-long-secret"

DROP = """
const [url, name] = arguments, bytes = Uint8Array.from(atob(url), each => each.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], name, {type: "image/png"}));
dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
"""

# WCAG 2.2, success criteria 1.4.3 and 1.4.11, of what is on the page now.
FAINT = """
const rgb = text => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map(each => each / 255)
  .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
  .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
const behind = element => {
  for (; element; element = element.parentElement) {
    const colour = rgb(getComputedStyle(element).backgroundColor);
    if (colour[3] !== 0) return colour;
  }
};
const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
const faint = [];
let seen = 0;
for (const element of document.querySelectorAll("body *")) {
  const style = getComputedStyle(element), box = element.getBoundingClientRect();
  if (!element.checkVisibility() || box.width < 2 || style.opacity === "0") continue;
  const check = (what, colour, ground, least) => {
    seen += 1;
    const found = ratio(rgb(colour), ground);
    if (found < least) faint.push(`${element.tagName}#${element.id}: ${what} ${found.toFixed(2)} < ${least}`);
  };
  const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  const texts = [...element.childNodes].some(each => each.nodeType === 3 && each.data.trim());
  if (texts || element.matches("input, select, textarea")) check("text", style.color, behind(element), large ? 3 : 4.5);
  if (element.placeholder) check("hint", getComputedStyle(element, "::placeholder").color, behind(element), 4.5);
  if (element.matches("input, select, textarea, button, #drop")) {
    check("border", style.borderTopColor, behind(element.parentElement), 3);
  }
  if (element.matches("li i")) check("bar", style.backgroundColor, behind(element.parentElement), 3);
}
return [seen, faint];
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


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a model that is unsure of twenty classes, over a number, at times missing, and a category."""
    place = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    kinds = rng.choice(["a", "b's", '"ü" <c>'], 200)
    sizes = [f"{size:.3f}" if at % 5 else "" for at, size in enumerate(rng.normal(0, 1, 200))]
    quoted = [kind.replace('"', '""') for kind in kinds]
    rows = [f'{size},"{kind}",class {at % 20}' for at, (size, kind) in enumerate(zip(sizes, quoted, strict=True))]
    (place / "rows.csv").write_text("size,kind of thing,target\n" + "\n".join(rows) + "\n", encoding="utf-8")
    trained = zoo.train("mlp", zoo.data.open(place / "rows.csv"), model={"units": (4,)}, epochs=1)
    return trained.export(place / "Bob's table", run=place / "run")


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray, labels: np.ndarray) -> Path:
    """The artifact of a small autoencoder of `pixels`."""
    place = tmp_path_factory.mktemp("autoencoder")
    model = {"latent_dim": 4, "units": (8,)}
    trained = zoo.train("dense_autoencoder", zoo.data.arrays(pixels, labels), model=model, epochs=2)
    return trained.export(place / "autoencoder", run=place / "run")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Artifacts of 0.1.0, which have no example."""
    place = tmp_path_factory.mktemp("kept")
    names = ("classification", "fine_tuned", "forecasting", "generation", "reconstruction")
    for name in names:
        shutil.unpack_archive(KEPT / f"{name}.zip", place / name)
    return {f"old {name}": place / name for name in names}


class Page:
    """The page of a server, and what a person does on it."""

    def __init__(self, browser: Any, port: int) -> None:
        self.browser = browser
        browser.get(f"http://127.0.0.1:{port}/")

    def one(self, name: str) -> Any:
        return self.browser.find_element("css selector", name)

    def text(self, name: str) -> str:
        return self.one(name).text

    def texts(self, selector: str) -> list[str]:
        return [each.text for each in self.browser.find_elements("css selector", selector) if each.text]

    def choose(self, model: str) -> None:
        from selenium.webdriver.support.ui import Select

        until(lambda: self.texts("#model option"))
        Select(self.one("#model")).select_by_visible_text(model)
        until(lambda: self.text("#facts") and self.texts("#fields label"))

    def field(self, label: str) -> Any:
        return self.browser.find_element("xpath", f"//label[starts-with(., {label!r})]/*")

    def write(self, label: str, value: str) -> None:
        self.field(label).clear()
        self.field(label).send_keys(value)

    def ask(self) -> str:
        """What is said after the button is pressed."""
        self.one("#ask").click()
        return until(lambda: self.one("#again").is_displayed() and self.text("#said"))

    def programs(self, place: Path, token: str | None = None) -> list[Any]:
        """What the curl line and the Python program that can be copied answer, and what the page has answered."""
        show = "for (const each of document.querySelectorAll('details')) each.open = true"
        self.browser.execute_script(show)
        clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        environment = clean | {"ZOO_TOKEN": token or ""}
        found = []
        for command, name in ((["sh"], "#curl"), ([sys.executable, "-I", "-"], "#python")):
            run = {"cwd": place, "env": environment, "capture_output": True, "text": True}
            done = subprocess.run(command, input=self.text(name), **run)
            assert done.returncode == 0, done
            found.append(json.loads(done.stdout)["predictions"][0])
        return [*found, json.loads(self.one("#json").get_property("textContent"))]


def until(wanted: Callable[[], Any]) -> Any:
    from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException

    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        with suppress(StaleElementReferenceException, NoSuchElementException):  # it changed while it was looked at
            if found := wanted():
                return found
        time.sleep(0.05)
    raise AssertionError("the page did not come to it")


@pytest.mark.slow
def test_a_photo_is_dropped_and_labels_are_seen(browser: Any, kept: dict[str, Path], workplace: Path) -> None:
    photo = workplace / "Bob's red.png"
    Image.fromarray(np.full((30, 40, 3), (200, 40, 40), np.uint8)).save(photo)
    (workplace / "notes.png").write_text("no picture")
    Image.fromarray(np.zeros((200, 200), np.uint8)).save(workplace / "large.png")
    wanted = zoo.load(kept["old fine_tuned"]).predict([photo])[0]
    host = ModelManager({"Small Photos": kept["old fine_tuned"]}, runtime="saved_model", most=20_000)
    with served(host, token=SECRET, limits=Limits(request=50_000)) as client:
        assert client("/v1/models/Small%20Photos/inputs")[0] == 401 and client("/", method="HEAD") == (200, "")
        page = Page(browser, client.port)
        until(lambda: page.one("#token").is_displayed())
        assert "wants its token" in page.text("#wrong") and browser.switch_to.active_element == page.one("#token")
        for token, said in (("another-secret", "not the token"), (SECRET, "")):
            page.one("#token").send_keys(token)
            page.one("#access button").click()
            until(lambda said=said: said in page.text("#wrong") and page.one("#token").is_displayed() == bool(said))
        until(lambda: page.text("#facts") == "version 1, classification, 2 classes, saved_model")
        until(lambda: page.one("#file")).send_keys(str(photo))
        rows = until(lambda: page.texts("#labels li"))
        assert rows[0].split("\n") == [wanted.label, f"{100 * wanted.probability:.1f} %"] and len(rows) == 2
        assert page.text("#headline").split() == [wanted.label, *rows[0].split("\n")[1].split()]
        assert not page.one("#more").is_displayed()
        widths = [each.size["width"] for each in browser.find_elements("css selector", "#labels i")]
        assert widths == sorted(widths, reverse=True) and widths[0] > 20
        shown = page.one("#photo")
        assert until(lambda: shown.is_displayed() and shown.get_property("naturalWidth")) == 40
        curl, python, here = page.programs(workplace, SECRET)
        assert curl == python == here and here["label"] == wanted.label
        assert SECRET not in browser.page_source and "$ZOO_TOKEN" in page.text("#curl")

        for name, said in (("notes.png", "no picture that can be read"), ("large.png", "too large for the server")):
            page.one("#file").send_keys(str(workplace / name))
            until(lambda said=said: said in page.text("#wrong"))
            assert not page.one("#found").is_displayed()
        browser.execute_script(DROP, base64.b64encode(photo.read_bytes()).decode(), photo.name)
        assert until(lambda: page.texts("#labels li")) == rows and not page.text("#wrong")
        logged = [each["message"] for each in browser.get_log("browser")]
        assert not [each for each in logged if not any(code in each for code in ("401", "400", "413"))], logged
    page.one("#file").send_keys(str(photo))
    until(lambda: "can't be reached" in page.text("#wrong"))


@pytest.mark.slow
def test_a_row_is_asked_for_in_a_form(browser: Any, table: Path, workplace: Path) -> None:
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    row = json.loads((table / "example.json").read_bytes())["instances"][0]
    predictor = zoo.load(table)
    with served(ModelManager({"Bob's table": table}, runtime="saved_model")) as client:
        page = Page(browser, client.port)
        page.choose("Bob's table")
        assert (
            page.texts("#fields label")[0] == "size" and float(page.field("size").get_property("value")) == row["size"]
        )
        kind = Select(page.field("kind of thing"))
        assert [each.text for each in kind.options] == ['"ü" <c>', "a", "b's", "(missing)", "another value ..."]
        assert kind.first_selected_option.text == row["kind_of_thing"]
        wanted = predictor.predict({"size": row["size"], "kind of thing": row["kind_of_thing"]})[0]
        said = page.ask()
        (first, share), (second, other) = list(wanted.probabilities.items())[:2]
        rounded = [f"{100 * each:.{int(each < 0.1)}f} %" for each in (share, other)]
        assert said.startswith(first) and share - other < 0.2
        assert f"unsure: {first} {rounded[0]}, {second} {rounded[1]}" in said and "20 points" in said
        assert not page.texts("#notes li") and len(page.texts("#labels li")) == 8
        assert page.text("#more") == "and 12 more"
        page.one("#more").click()
        names = [each.split("\n")[0] for each in page.texts("#labels li")]
        assert names == list(wanted.probabilities) and not page.one("#more").is_displayed()
        curl, python, here = page.programs(workplace)
        assert curl == python == here and "ZOO_TOKEN" not in page.text("#curl") + page.text("#python")

        kind.select_by_visible_text("another value ...")
        browser.switch_to.active_element.send_keys("it's $HOME “new”")  # the field for it has the focus
        page.write("size", "")
        page.field("size").send_keys(Keys.ENTER)
        notes = until(lambda: page.texts("#notes li"))
        assert notes[0].startswith("size is missing: the mean")
        assert notes[1] == "column 'kind of thing': a value never seen in training, \"it's $HOME “new”\""
        curl, python, here = page.programs(workplace)
        wanted = predictor.predict({"size": None, "kind of thing": "it's $HOME “new”"})[0]
        assert curl == python == here and here["probability"] == pytest.approx(wanted.probability, abs=1e-6)
        browser.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite"]})
        page.one("[data-copy=curl]").click()
        read = "navigator.clipboard.readText().then(arguments[0])"
        assert browser.execute_async_script(read).strip() == page.text("#curl")


@pytest.mark.slow
def test_every_kind_of_model_has_its_answer(
    browser: Any, kept: dict[str, Path], conditional: Path, autoencoder: Path, workplace: Path, pixels: np.ndarray
) -> None:
    Image.fromarray(pixels[0]).save(workplace / "digit.png")
    models = kept | {"gan": conditional, "autoencoder": autoencoder}
    with served(ModelManager(models, runtime="saved_model")) as client:
        page = Page(browser, client.port)

        page.choose("old classification")
        text = "Good <br/>scene: it's a FILM film, don't ‘plot’"
        page.write("Text", text)
        assert page.ask().split()[0] in ("praise", "none")
        words = spaced_words([text]).numpy()[0].decode().split()
        unseen = [each for each in dict.fromkeys(words) if each not in ("good", "scene", "film", "plot")]
        assert page.texts("#notes li") == [
            f"never seen in training: {', '.join(unseen)}",
            f"the model reads the first 6 of {len(words)} words",
        ]

        page.choose("old forecasting")
        assert "7 steps" in page.text("#fields .hint")
        page.write("value", "10 12 14, 13\n11;9 8")
        said = page.ask().split("\n")
        wanted = zoo.load(kept["old forecasting"]).model(np.array([[[10], [12], [14], [13], [11], [9], [8]]]))
        first, second = (f"{float(value):.4g}" for value in wanted[0])
        assert said[:4] == ["value +1", f"{first} off by 0.254", "value +2", f"{second} off by 0.2365"]
        curl, python, here = page.programs(workplace)
        assert curl == python == here == pytest.approx(wanted.numpy()[0].tolist(), rel=1e-4)
        page.write("value", "10 twelve")
        page.one("#ask").click()
        assert until(lambda: page.text("#wrong")) == "step 2: expected a number, received “twelve”."
        page.write("value", "10 12")
        page.one("#ask").click()
        assert "expected 7 x 1 numbers" in until(lambda: "server" in page.text("#wrong") and page.text("#wrong"))

        page.choose("old reconstruction")
        assert page.field("size").get_property("value") == ""
        page.write("size", "400")
        assert page.ask().startswith("anomaly\nScore") and "2.686" in page.text("#beside")

        page.write("size", "3e38")
        assert page.ask().startswith("no answer")

        page.choose("autoencoder")
        until(lambda: page.one("#file")).send_keys(str(workplace / "digit.png"))
        assert until(lambda: page.text("#headline")) in ("normal", "anomaly")
        inked = "const c = arguments[0]; return [c.width, ...c.getContext('2d').getImageData(0, 0, 8, 8).data]"
        width, *drawn = browser.execute_script(inked, page.one("#drawing"))
        reconstructed = zoo.load(autoencoder).reconstruct([workplace / "digit.png"])[0, ..., 0]
        assert width == 8 and np.abs(np.reshape(drawn, (8, 8, 4))[..., 0] - reconstructed).max() < 1

        for model in ("gan", "old generation"):
            page.choose(model)
            code = page.field("Code").get_property("value")
            browser.find_element("xpath", "//button[.='New code']").click()
            assert page.field("Code").get_property("value") != code
            page.ask()
            assert until(lambda: page.one("#picture").get_property("naturalWidth")) == 8
        assert not browser.get_log("browser") or all("400" in each["message"] for each in browser.get_log("browser"))


@pytest.mark.slow
def test_the_classes_of_a_photo_are_seen_in_colours(browser: Any, tmp_path: Path) -> None:
    root = masks.write(tmp_path / "blots", 16, greys=(0, 255))
    (root / "labels.txt").write_text("ground\nblot\n")
    options = {"model": {"filters": 8, "depth": 1}, "epochs": 20, "learning_rate": 1e-2}
    version = zoo.train("unet", root, **options).export(tmp_path / "made")
    photo = root / "images" / "001.png"
    wanted, pixels = zoo.load(version).predict(photo)[0].mask, np.asarray(Image.open(photo))
    assert 0 < (wanted == 255).mean() < 0.5
    with served(ModelManager({"blots": version}, runtime="saved_model")) as client:
        page = Page(browser, client.port)
        until(lambda: page.one("#file")).send_keys(str(photo))
        until(lambda: page.one("#drawing").is_displayed())
        assert page.text("#facts") == "version 1, segmentation, 2 classes, saved_model"
        read = "const c = document.getElementById('drawing'); return [c.width, c.height, "
        read += "...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
        width, height, *data = browser.execute_script(read)
        shown = np.array(data).reshape(height, width, 4)[..., :3]
        assert (height, width) == wanted.shape
        over = overlay(pixels, (wanted == 255).astype(np.uint8))
        assert np.abs(shown - over).max() <= 1
        assert [row.split()[0] for row in page.texts("#labels li")] == ["ground", "blot"]
        saved = browser.find_element("css selector", "#beside a").get_attribute("href")
        found = np.asarray(Image.open(io.BytesIO(base64.b64decode(saved.partition(",")[2]))))
        np.testing.assert_array_equal(found, wanted)
        browser.save_screenshot(str(tmp_path / "page.png"))
        assert not browser.get_log("browser")


@pytest.mark.slow
def test_it_can_be_read_in_both_themes_and_on_a_phone(browser: Any, table: Path, kept: dict[str, Path]) -> None:
    models = {"table": table, "series": kept["old forecasting"]}
    with served(ModelManager(models, runtime="saved_model"), token=SECRET) as client:
        try:
            for theme in ("light", "dark"):
                features = [{"name": "prefers-color-scheme", "value": theme}]
                browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
                size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
                browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
                page = Page(browser, client.port)
                browser.execute_script("sessionStorage.clear()")
                page = Page(browser, client.port)
                until(lambda page=page: page.text("#wrong"))
                _legible(browser, 4)
                page.one("#token").send_keys(SECRET)
                page.one("#access button").click()
                page.choose("table")
                page.write("size", "")
                page.ask()
                browser.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
                _legible(browser, 40)
                page.choose("series")
                page.write("value", "1 2 3 4 5 6 7")
                page.ask()
                _legible(browser, 15)
        finally:
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
            browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def _legible(browser: Any, least: int) -> None:
    seen, faint = browser.execute_script(FAINT)
    assert not faint and seen >= least
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
