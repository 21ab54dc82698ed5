"""Odd tables, manifests and texts through ``zoo check``: each is read right, or refused in one line."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from PIL import Image

from benchmarks.reliability.table import Row

LIMIT = 60  # seconds that each may take


class _Odd(NamedTuple):
    """A file or folder, and its right outcome: a number of examples, or None for a refusal."""

    path: Path
    examples: int | None


def rows(work: Path) -> list[Row]:
    """The section's rows; files are written below `work` alone."""
    kinds: dict[str, Callable[[Path], Iterator[_Odd]]] = {
        "odd tables through `zoo check`": _tables,
        "odd manifests of images through `zoo check`": _manifests,
        "odd texts through `zoo check`": _texts,
    }
    found = []
    for number, (tried, make) in enumerate(kinds.items()):
        place = work / str(number)
        place.mkdir()
        reasons = [(odd.path.name, _wrong(odd)) for odd in make(place)]
        wrong = [f"{name}: {why}" for name, why in reasons if why]
        note = "the examples that it has, or one line and exit code 2; no traceback, no hang"
        found.append(Row(tried, len(reasons), len(reasons) - len(wrong), "; ".join([note, *wrong])))
    return found


def _wrong(odd: _Odd) -> str | None:
    """How `zoo check` went otherwise than it should; None where it did not."""
    from zoo.cli import main

    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LIMIT)
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            patch.object(sys, "argv", ["zoo", "check", str(odd.path), "--json"]),
        ):
            main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException as error:
        return f"{type(error).__name__}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    told = err.getvalue()
    if odd.examples is None:
        one = told.count("\n") == 1 and told.startswith("zoo: ")
        return None if code == 2 and one else f"code {code}, {out.getvalue()[:80]}{told[:80]!r}"
    if code or told:
        return f"code {code}, {told[:120]!r}"
    count = sum(json.loads(out.getvalue())["parts"].values())
    return None if count == odd.examples else f"{count} examples, not {odd.examples}"


def _too_long(*_: object) -> None:
    raise TimeoutError


def _tables(place: Path) -> Iterator[_Odd]:
    random.seed(0)
    body = [f"{random.random():.3f},{random.random():.3f},{'ab'[at % 2]}" for at in range(40)]
    head, plain = "x,z,label", "\n".join(["x,z,label", *body, ""])

    def odd(name: str, content: str | bytes, examples: int | None = 40) -> _Odd:
        path = place / f"{name}.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return _Odd(path, examples)

    yield odd("plain", plain)
    yield odd("bom", b"\xef\xbb\xbf" + plain.encode())
    for ends, mark in (("crlf", "\r\n"), ("cr", "\r")):
        yield odd(ends, plain.replace("\n", mark))
    yield odd("no-last-end", plain.rstrip("\n"))
    for separator in ";\t|":
        yield odd(f"separator-{ord(separator)}", plain.replace(",", separator))
    for encoding in ("utf-16", "utf-16-le", "utf-32"):
        yield odd(encoding, plain.encode(encoding), None)
    for byte in (0x80, 0xC0, 0xE9, 0xFF):
        yield odd(f"byte-{byte:02x}", plain.encode() + b"1,2," + bytes([byte]) + b"\n", None)
    for at in (0, 5, 100):
        yield odd(f"null-{at}", plain[:at] + "\0" + plain[at:], None)
    for name, text in (("empty", ""), ("blank", "\n \n\n"), ("header", head + "\n"), ("bom-alone", "\ufeff")):
        yield odd(name, text, None)
    yield odd("one-column", "label\n" + "a\nb\n" * 20, None)
    yield odd("two-names", plain.replace("x,z", "x,x", 1), None)
    yield odd("longer-row", plain + "1,2,a,4\n", None)
    yield odd("open-quote", plain + '1,2,"a\n', None)
    yield odd("empty-lines", plain.replace("\n", "\n\n\n"))
    yield odd("many-empty-lines", head + "\n" * 10_000 + "\n".join(body) + "\n")
    yield odd("few-rows", "\n".join([head, *body[:3], ""]), None)
    for value in ("inf", "-inf", "Infinity", "1e400", "9" * 400):
        yield odd(f"not-finite-{value[:9]}", plain + f"{value},1,a\n", None)
    for value in ("", "nan", "NA", "null", "?"):
        yield odd(f"missing-{value[:4].strip('?')}-{len(value)}", plain + f"{value},1,a\n", 41)
        yield odd(f"missing-label-{value[:4].strip('?')}-{len(value)}", plain + f"1,1,{value}\n", None)
    for name in ("\x1b[31m", "[/]", "\u202e", "a\u2028b", "$x$", "日本", "🙂", "e\u0301", "self", "class"):
        number = "-".join(f"{ord(char):x}" for char in name[:4])
        yield odd(f"class-{number}", plain.replace(",a\n", f",{name}\n"))
        yield odd(f"column-{number}", plain.replace("x,", f"{name},", 1))
    wide = 10_000
    numbers = [",".join(f"{(at * (row + 1)) % 97}" for at in range(wide)) + f",{'ab'[row % 2]}" for row in range(20)]
    yield odd("wide", "\n".join([",".join(f"column {at}" for at in range(wide)) + ",label", *numbers, ""]), 20)
    os.mkfifo(place / "pipe.csv")
    (place / "zero.csv").symlink_to("/dev/zero")
    (place / "gone.csv").symlink_to("nowhere")
    (place / "folder.csv").mkdir()
    yield from (_Odd(place / f"{name}.csv", None) for name in ("pipe", "zero", "gone", "folder"))


def _manifests(place: Path) -> Iterator[_Odd]:
    (place / "p").mkdir()
    for index in range(10):
        Image.new("RGB", (8, 8), (20 * index, 99, 5)).save(place / "p" / f"{index}.png")
    os.mkfifo(place / "pipe.png")
    good = [{"path": f"p/{index}.png", "label": "ab"[index % 2]} for index in range(10)]
    lines = [json.dumps(row) for row in good]

    def odd(name: str, text: str, examples: int | None) -> _Odd:
        path = place / f"{name}.jsonl"
        path.write_text(text, encoding="utf-8", newline="")
        return _Odd(path, examples)

    for name, end in (("plain", "\n"), ("crlf", "\r\n"), ("cr", "\r"), ("empty-lines", "\n\n\n")):
        yield odd(name, end.join([*lines, ""]), 10)
    yield odd("bom", "\ufeff" + "\n".join(lines), 10)
    left_out = ["/dev/zero", "pipe.png", "p", "gone.png", "../gone.png", "https://example.org/a.png", "~/a.png"]
    left_out += [
        "C:\\photos\\a.png",
        "p%2F0.png",
        "p\\0.png",
        "/proc/self/mem",
        "x" * 5000,
        "\udcff.png",
        "a\u0000.png",
    ]
    for number, name in enumerate(left_out):
        yield odd(f"path-{number}", "\n".join([*lines, json.dumps({"path": name, "label": "a"})]), 10)
    yield odd("inside-out", "\n".join(lines).replace("p/0", "p/../p/0"), 10)
    bad = ["[" * 100_000, "7", "null", "[]", '"p/0.png"', "{", '{"path": "p/0.png"}', '{"path": "", "label": "a"}']
    bad += ['{"path": 7, "label": "a"}', '{"path": "\\ud800.png", "label": "a"}', '{"path": "q.png", "label": {}}']
    bad += ['{"path": "q.png", "label": ' + "9" * 5000 + "}", '{"path": "q.png", "label": "a", "label": "b"}']
    bad += ['{"path": "q.png", "label": NaN}', '{"path": "q.png", "label": [null]}', "\0"]
    for number, line in enumerate(bad):
        yield odd(f"bad-{number}", "\n".join([*lines, line]), None)


def _texts(place: Path) -> Iterator[_Odd]:
    contents: list[tuple[str, str | bytes, int]] = [
        ("emoji", "a 🙂 day", 12),
        ("right-to-left", "שלום עולם", 12),
        ("marks", "a \u202e b \u200b c", 12),
        ("escapes", "a \x1b[31m b", 12),
        ("two-megabytes", "word " * 400_000, 12),
        ("one-word", "x" * 1_000_000, 12),
        ("empty", "", 11),
        ("blank", " \n\t\u3000", 11),
        ("no-utf-8", b"caf\xe9", 11),
        ("utf-16", "a day".encode("utf-16"), 11),
        ("bom", b"\xef\xbb\xbfa day", 12),
    ]
    for name, content, count in contents:
        for label in "ab":
            (place / name / label).mkdir(parents=True)
            for index in range(6):
                (place / name / label / f"{index}.txt").write_text(f"{label} text of {index} words", encoding="utf-8")
        data = content if isinstance(content, bytes) else content.encode("utf-8")
        (place / name / "a" / "0.txt").write_bytes(data)
        yield _Odd(place / name, count)
    os.mkfifo(place / "bom" / "a" / "pipe.txt")
    yield _Odd(place / "bom", 12)
