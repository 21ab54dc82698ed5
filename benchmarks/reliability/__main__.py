"""Damaged, hostile and unusual inputs, killed and doubled jobs: what became of each, as a table.

Run as ``python -m benchmarks.reliability [NAME ...]``, a name being a module beside this one; all of them without.
"""

from __future__ import annotations

import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from benchmarks.reliability.table import markdown

SECTIONS = tuple(
    sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in ("__main__", "table"))
)


def main() -> None:
    """Run the sections; exit code 1 where a count is not all right."""
    names = sys.argv[1:] or SECTIONS
    if unknown := sorted(set(names) - set(SECTIONS)):
        sys.exit(f"expected sections out of {', '.join(SECTIONS)}; received {unknown[0]!r}")
    rows = []
    for name in names:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as work:
            rows += import_module(f"benchmarks.reliability.{name}").rows(Path(work))
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    print(markdown(rows))
    sys.exit(any(row.right != row.count for row in rows))


if __name__ == "__main__":
    main()
