"""How `make docs` makes a site of the pages beside this folder: Sphinx, with MyST for Markdown."""

from __future__ import annotations

import re
from typing import Any

import zoo

project = "Keras model zoo"
version = release = zoo.__version__
copyright = "the Keras model zoo authors, Apache License 2.0"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["pictures"]

html_theme = "furo"
html_title = project

myst_heading_anchors = 3
copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"

# Google style, with the headings that builders have beside those of napoleon.
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # attributes are told once, with the class
autodoc_typehints = "description"  # beside each argument, so that signatures can be read
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
default_role = "literal"

_HEADED = re.compile(r"^(Input|Output|Source): ")


def headings(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Make paragraphs of "Source: ..." and the like, whose further lines are indented."""
    made, inside = [], False
    for line in lines:
        if _HEADED.match(line):
            made += ["", _HEADED.sub(r"**\1:** ", line)]
            inside = True
        else:
            inside = inside and bool(line.strip())
            made.append(line.strip() if inside else line)
    lines[:] = made


def navigation(app: Any, page: str, source: list[str]) -> None:
    """The navigation of the site is that of the first page: its headings, and the links below each."""
    if page != "index":
        return
    for section in source[0].split("\n## ")[1:]:
        caption = section.splitlines()[0]
        names = dict.fromkeys(re.findall(r"\]\(([\w/-]+)\.(?:md|rst)\)", section))
        source[0] += "\n".join(["\n```{toctree}", ":hidden:", f":caption: {caption}", "", *names, "```\n"])


def outside(app: Any, page: str, source: list[str]) -> None:
    """Links to files that are not in the site, as CONTRIBUTING.md, are shown as the names that they are."""
    source[0] = re.sub(r"\[([^\]]+)\]\(\.\./[^)]+\)", r"\1", source[0])


def twice(app: Any, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Leave out the fields of named tuples, which the docstring of the class has."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def setup(app: Any) -> None:
    """Connect the functions above."""
    app.connect("autodoc-skip-member", twice)
    app.connect("autodoc-process-docstring", headings, priority=400)  # before napoleon
    app.connect("source-read", outside)
    app.connect("source-read", navigation)
