"""The page at ``/`` to try the models. It sends requests to its own server alone."""

from __future__ import annotations

import re
from pathlib import Path

_LINKED = re.compile(r'<(?:link rel="stylesheet" href|script src)="(\w+\.(css|js))">(?:</script>)?')
_TAGS = {"css": "style", "js": "script"}


def _page() -> str:
    """The page with its script and style inlined, because a server with a token has only one open path."""
    folder = Path(__file__).parent

    def inlined(match: re.Match[str]) -> str:
        tag = _TAGS[match[2]]
        return f"<{tag}>\n{(folder / match[1]).read_text(encoding='utf-8')}</{tag}>"

    return _LINKED.sub(inlined, (folder / "page.html").read_text(encoding="utf-8"))


PAGE = _page()
