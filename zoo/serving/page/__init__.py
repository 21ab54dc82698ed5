"""The page at ``/``, on which a person asks the models. It asks the server that it came from, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

_LINKED = re.compile(r'<(?:link rel="stylesheet" href|script src)="(\w+\.(css|js))">(?:</script>)?')
_TAGS = {"css": "style", "js": "script"}


def _page() -> str:
    """All files in one: where a token is asked for, one path is open to those who are yet to enter it."""
    folder = Path(__file__).parent

    def inlined(found: re.Match[str]) -> str:
        tag = _TAGS[found[2]]
        return f"<{tag}>\n{(folder / found[1]).read_text(encoding='utf-8')}</{tag}>"

    return _LINKED.sub(inlined, (folder / "page.html").read_text(encoding="utf-8"))


PAGE = _page()
