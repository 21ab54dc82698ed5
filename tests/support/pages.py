"""Pages of the documentation: their blocks, run as a reader runs them, and their links.

A comment that readers do not see may stand before a block:

    <!-- not run: reason -->         the block needs what a test has not, as data, a container or the internet
    <!-- run with: --epochs 5 -->    what is added to the last command of the block, which takes long otherwise
    <!-- file: photos.csv -->        the block is the content of a file, which is written
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from support.places import ROOT
from support.programs import command, foreign

README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
DIGITS = 300  # images of the sample that are kept of 1,797
_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>not run|run with|file): (?P<value>.+?) -->\n+)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<img [^>]*src=\"([^\"]+)\"")
_ZOO = "from zoo.cli import main; main()"
_SHELL = re.compile(r"[|<>*;$]")  # what only a shell understands


class Block(NamedTuple):
    """A block of a page.

    Attributes:
        line: of the page, where it begins.
        language: after the fence, as console or python; empty for output.
        text: in it.
        mark: of the comment before it; empty where there is none.
        value: of that comment.
    """

    line: int
    language: str
    text: str
    mark: str
    value: str

    @property
    def commands(self) -> list[str]:
        """The lines after a prompt, continued ones joined."""
        if self.language != "console":
            return []
        lines = re.sub(r"\s*\\\n\s*", " ", self.text).splitlines()
        return [line[2:] for line in lines if line.startswith("$ ")]


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            text.count("\n", 0, found.start("language")) + 1,
            *(found[name] or "" for name in ("language", "text", "mark", "value")),
        )
        for found in _BLOCK.finditer(text)
    ]


def prose(page: Path) -> str:
    """A page without its blocks and without code in lines."""
    return re.sub(r"`[^`\n]+`", "", _BLOCK.sub("", page.read_text(encoding="utf-8")))


def links(page: Path) -> list[str]:
    """Where the links and pictures of a page lead."""
    return [first or second for first, second in _LINK.findall(prose(page))]


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


class Reader:
    """Runs the blocks of a page in the current folder, the Python blocks in one session.

    Args:
        apart: whether each command starts a process of its own, as a user's does, which takes longer.
    """

    def __init__(self, apart: bool = False) -> None:
        self.apart = apart
        self.session: dict[str, Any] = {"__name__": "__main__"}
        self.servers: list[subprocess.Popen[str]] = []

    def run(self, block: Block) -> None:
        """Run a block; an AssertionError says which command failed."""
        if block.mark == "not run":
            return
        if block.mark == "file":
            Path(block.value).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            self._python(block.text)
        *others, last = block.commands or [""]
        for line in (*others, *([f"{last} {block.value}" if block.mark == "run with" else last] if last else [])):
            self._command(line)

    def _python(self, text: str) -> None:
        ours = re.search(r"(import|from) (zoo|applications|tuning)\b", text)
        if self.apart:
            result = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=600)
            assert result.returncode == 0, f"{text}\n{result.stderr}"
            # A script that asks an export by TensorFlow alone imports nothing of ours that would keep it quiet.
            assert not ours or foreign(result.stderr) == [], text
            return
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, "page", "exec"), self.session)

    def _command(self, line: str) -> None:
        if line.startswith("zoo serve "):
            self._serve(shlex.split(line)[1:])
            return
        if self.apart or _SHELL.search(line) or "--import" in line or not line.startswith("zoo "):
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            words = ["bash", "-euo", "pipefail", "-c", line.replace("curl ", "curl --fail --silent --show-error ")]
            result = subprocess.run(words, capture_output=True, text=True, timeout=600, env=os.environ | {"PATH": path})
        else:
            result = command(*shlex.split(line)[1:])
        assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"
        assert "zoo" not in line or foreign(result.stderr) == [], line  # other programs may say more
        if line.startswith("zoo sample digits "):  # a few show as much here as all of them
            for file in Path(line.split()[-1]).rglob("*.png"):
                if int(file.stem) >= DIGITS:
                    file.unlink()

    def _serve(self, words: list[str]) -> None:
        """Start a server, which answers what comes after it; one of before ends."""
        self.stop()
        with Path("serve.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _ZOO, *words], stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.servers.append(process)
        assert "answers" in process.stdout.readline(), Path("serve.log").read_text(encoding="utf-8")

    def stop(self) -> None:
        """End the servers."""
        while self.servers:
            server = self.servers.pop()
            server.terminate()
            assert server.wait(60) == 0


@contextlib.contextmanager
def reading(apart: bool = False) -> Iterator[Reader]:
    """A reader whose servers end with it."""
    reader = Reader(apart)
    try:
        yield reader
    finally:
        reader.stop()
