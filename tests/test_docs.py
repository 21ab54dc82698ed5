"""The documentation: every command and every Python example of a page is run, in order; links lead somewhere."""

from __future__ import annotations

import json
import re
import time
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from support.pages import PAGES, README, anchors, blocks, links, reading
from support.places import ROOT

SLOW = {
    "README",
    "backbones",
    "data",
    "exporting",
    "fine-tuning",
    "generative",
    "house",
    "keras-tuner",
    "predicting",
    "searching",
    "segmentation",
}
SLOW |= {"serving", "training"}
LINES = 150  # of the README
IDS = [page.stem for page in PAGES]


def runnable(page: Path) -> bool:
    return any(block.commands or block.language == "python" for block in blocks(page) if block.mark != "not run")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if page.stem in SLOW else [])
        for page in PAGES
        if runnable(page)
    ],
)
def test_every_command_of_a_page_runs(page: Path, workplace: Path) -> None:
    with reading(apart=page == README) as reader:
        for block in blocks(page):
            started = time.monotonic()
            reader.run(block)
            first = (block.text.splitlines() or [""])[0]
            print(f"{time.monotonic() - started:6.1f} s  {page.name}:{block.line}  {first}", flush=True)
    log = Path("serve.log")
    assert not log.exists() or all(json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())


PAGE = """# A page

<!-- not run: there is no such file -->
```console
$ cat absent.csv
```

<!-- file: there.csv -->
```text
a,b
```

<!-- run with: --json -->
```console
$ zoo models
```

```console
$ cat there.csv \\
    | grep a
```

```python
rows = open("there.csv").read()
```

```python
assert rows == "a,b\\n", rows
```

See [the end](#the-end), [absent](absent.md) and `[no link](x.md)`.

## The end

```console
$ zoo predict nothing there.csv
```
"""


def test_a_page_is_run_as_it_says(workplace: Path) -> None:
    page = workplace / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    *right, wrong = blocks(page)
    assert [block.mark for block in right] == ["not run", "file", "run with", "", "", ""] and right[1].line == 9
    assert right[3].commands == ["cat there.csv | grep a"]
    assert links(page) == ["#the-end", "absent.md"] and anchors(page) == {"a-page", "the-end"}
    with reading() as reader:
        for block in right:
            reader.run(block)
        with pytest.raises(AssertionError, match="zoo predict nothing"):
            reader.run(wrong)


def test_every_command_is_on_some_page() -> None:
    said = {line.split()[1] for page in PAGES for block in blocks(page) for line in block.commands if " " in line}
    assert {entry.name for entry in entry_points(group="zoo.commands")} <= said


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_what_is_not_run_says_why(page: Path) -> None:
    for block in blocks(page):
        assert block.mark != "not run" or len(block.value) > 10, f"{page.name}, line {block.line}"


@pytest.mark.parametrize("page", (*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"), ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        place = (page.parent / name).resolve() if name else page
        assert place.exists(), f"{page.name}: {link}"
        assert place.is_relative_to(ROOT), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(place), f"{page.name}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_scripts_that_are_named_exist(page: Path) -> None:
    for script in re.findall(r"\b(?:benchmarks|tests)/[\w/]+\.py", page.read_text(encoding="utf-8")):
        assert (ROOT / script).is_file(), script


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    assert {Path(link).name for link in links(index)} >= {page.name for page in PAGES} - {"README.md", "index.md"}


def test_every_picture_is_shown() -> None:
    shown = {Path(link).name for page in PAGES for link in links(page)}
    assert {picture.name for picture in (ROOT / "docs" / "pictures").iterdir()} <= shown


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= LINES


def test_figures_name_the_script_that_gives_them() -> None:
    """Every row of the tables of figures."""
    for page, heading in ((README, "## Figures"), (ROOT / "docs" / "figures.md", "# Figures")):
        section = page.read_text(encoding="utf-8").split(heading, 1)[1]
        if page == README:
            section = section.split("\n## ")[0]
        assert "benchmarks/" in section and "EPYC" in section
        for table in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE):
            before = section.split(table)[0].rsplit("\n## ", 1)[-1]
            assert "benchmarks/" in table + before, table
