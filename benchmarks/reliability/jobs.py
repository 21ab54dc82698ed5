"""Jobs that are killed, done twice at once, or without a place or room to write: nothing is lost or left over."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.reliability.table import Row

LIMIT = 600  # seconds that each command may take
# Name, arguments, how many kills.
JOBS = (
    ("train", ("train", "mlp", "cancer/breast_cancer.csv", "--epochs", "40"), 8),
    ("finetune", ("finetune", "digits", "--input-size", "64", "--effort", "balanced"), 6),
    ("tune", ("tune", "cancer/breast_cancer.csv", "--trials", "4", "--epochs", "5"), 6),
)
# Where the size of files is limited, as if no more room were left.
ROOM = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from zoo.cli import main
main()
"""
PLAIN = "from zoo.cli import main; main()"


def rows(work: Path) -> list[Row]:
    """The section's rows; commands run in folders below `work`."""
    _Place(work / "data").prepare()
    alone = {}
    for name, arguments, _ in JOBS:
        place = _Place(work / f"alone-{name}", work / "data")
        started = time.monotonic()
        place.run(*arguments)
        alone[name] = (place.metrics(), time.monotonic() - started)
    return [
        _row("kills (SIGKILL), at moments spread over a job, then the same command again", _kills(work, alone), KILLS),
        _row("pairs of equal jobs at once", _pairs(work, alone), PAIRS),
        _row("jobs with a place that can't be written", _places(work), PLACES),
        _row("jobs without room for files over a size, then again with room", _rooms(work, alone), ROOMS),
    ]


KILLS = "the same metrics to the last digit; nothing left of the run, in the cache or the temporary folder"
PAIRS = "both end well, or the second says in one line which process does it; of two --out both end well"
PLACES = "one line with the place and what names another, before the work; or, for caches, a warning and the result"
ROOMS = "one line that says so, nothing half-written, then the same metrics; or, with enough, the metrics at once"


def _row(tried: str, reasons: Iterable[str | None], note: str) -> Row:
    reasons = list(reasons)
    wrong = [reason for reason in reasons if reason]
    return Row(tried, len(reasons), len(reasons) - len(wrong), "; ".join([note, *wrong]))


class _Place:
    """A folder that commands run in, with a cache and a temporary folder of its own."""

    def __init__(self, folder: Path, data: Path | None = None) -> None:
        self.folder = folder
        for name in ("work", "cache", "temporary"):
            (folder / name).mkdir(parents=True)
        if data is not None:
            for name in ("cancer", "digits"):
                (folder / "work" / name).symlink_to(data / "work" / name)

    def prepare(self) -> None:
        """Write the data: 20 images of three digits, and a table."""
        self.run("sample", "breast_cancer", "cancer")
        self.run("sample", "digits", "all")
        for label in "137":
            (self.folder / "work" / "digits" / label).mkdir(parents=True)
            for image in sorted((self.folder / "work" / "all" / label).iterdir())[:20]:
                shutil.copy(image, self.folder / "work" / "digits" / label)

    def start(self, *arguments: str, program: tuple[str, ...] = (PLAIN,), **variables: str) -> subprocess.Popen[str]:
        """A command in a process group of its own."""
        own = {"ZOO_CACHE": str(self.folder / "cache"), "TMPDIR": str(self.folder / "temporary")}
        paths = {"PYTHONPATH": os.pathsep.join(path for path in (os.getcwd(), os.environ.get("PYTHONPATH")) if path)}
        return subprocess.Popen(
            [sys.executable, "-c", *program, *arguments],
            cwd=self.folder / "work",
            env=os.environ | paths | own | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **variables: str) -> None:
        """A command that ends well."""
        process = self.start(*arguments, **variables)
        _, told = process.communicate(timeout=LIMIT)
        if process.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: code {process.returncode}, {told[-300:]}")

    def metrics(self, out: str = "saved_models") -> dict[str, Any]:
        """Those of the newest artifact."""
        cards = sorted((self.folder / "work" / out).glob("*/*/card.json"), key=lambda path: int(path.parent.name))
        return json.loads(cards[-1].read_text())["metrics"]

    def left_over(self) -> str | None:
        """What a job left beside its result."""
        places = [self.folder / "work" / ".runs", self.folder / "temporary"]
        found = [path for place in places if place.exists() for path in place.iterdir()]
        found += [path for path in self.folder.rglob(".partial-*") if path not in found]
        return f"left over: {', '.join(str(path.relative_to(self.folder)) for path in found)}" if found else None


def _kills(work: Path, alone: dict[str, tuple[dict[str, Any], float]]) -> Iterable[str | None]:
    chance = random.Random(0)
    for name, arguments, count in JOBS:
        metrics, seconds = alone[name]
        for at in range(count):
            place = _Place(work / f"kill-{name}-{at}", work / "data")
            process = place.start(*arguments)
            moment = seconds * (at + chance.random()) / count
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            yield _wrong(f"{name} killed after {moment:.1f} of {seconds:.1f} s", place, arguments, metrics)


def _wrong(what: str, place: _Place, arguments: tuple[str, ...], metrics: dict[str, Any]) -> str | None:
    """How the command, run to its end, went otherwise than it does alone; None where it did not."""
    try:
        place.run(*arguments)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return f"{what}: {error}"
    if place.metrics() != metrics:
        return f"{what}: other metrics"
    left = place.left_over()
    return left and f"{what}: {left}"


def _pairs(work: Path, alone: dict[str, tuple[dict[str, Any], float]]) -> Iterable[str | None]:
    for name, arguments, _ in JOBS:
        metrics, seconds = alone[name]
        for wait in (0.0, 0.3):
            place = _Place(work / f"pair-{name}-{wait}", work / "data")
            first = place.start(*arguments)
            time.sleep(wait * seconds)
            yield _pair(f"{name}, {wait * seconds:.0f} s apart", place, (first, place.start(*arguments)), metrics)
        place = _Place(work / f"places-{name}", work / "data")
        both = [place.start(*arguments, "--out", f"{out}/model") for out in "ab"]
        told = [process.communicate(timeout=LIMIT)[1] for process in both]
        same = all(process.returncode == 0 for process in both) and place.metrics("a") == place.metrics("b") == metrics
        wrong = place.left_over() if same else "".join(told)[-300:] or "other metrics"
        yield wrong and f"{name} to two places: {wrong}"


def _pair(what: str, place: _Place, both: Iterable[subprocess.Popen[str]], metrics: dict[str, Any]) -> str | None:
    ended = [(process.communicate(timeout=LIMIT)[1], process) for process in both]
    good = [process for _, process in ended if process.returncode == 0]
    if not good or place.metrics() != metrics:
        return f"{what}: {ended[0][0][-200:]} {ended[1][0][-200:]}"
    for told, process in ended:
        named = f"process {good[0].pid}, since" in told and told.count("\n") == 1
        if process.returncode and not named:
            return f"{what}: {told[-200:]!r}"
    left = place.left_over()
    return left and f"{what}: {left}"


def _places(work: Path) -> Iterable[str | None]:
    """A file stands where a folder would be made: that binds every user, also one who may write everywhere."""
    for name, arguments, _ in JOBS:
        place = _Place(work / f"unwritable-{name}", work / "data")
        (place.folder / "work" / "file").write_text("in the way")
        for option, variables, named in (
            (("--out", "file/model"), {}, "--out"),
            ((), {"ZOO_RUNS": "file/runs"}, "ZOO_RUNS"),
        ):
            process = place.start(*arguments, *option, **variables)
            started = time.monotonic()
            told = process.communicate(timeout=LIMIT)[1]
            refused = process.returncode == 2 and told.count("\n") == 1 and "file" in told and named in told
            seconds = time.monotonic() - started
            yield (
                None
                if refused
                else f"{name}, {named}: code {process.returncode} after {seconds:.0f} s, {told[-200:]!r}"
            )
        process = place.start(*arguments, ZOO_CACHE="file/cache")
        told = process.communicate(timeout=LIMIT)[1]
        kept = process.returncode == 0 and told.count("ZOO_CACHE names another") == 1 and place.metrics()
        yield None if kept else f"{name}, no cache: code {process.returncode}, {told[-200:]!r}"


def _rooms(work: Path, alone: dict[str, tuple[dict[str, Any], float]]) -> Iterable[str | None]:
    for name, arguments, _ in JOBS:
        metrics, _ = alone[name]
        for room in (500, 20_000, 300_000, 3_000_000):
            what = f"{name}, files of {room:,} bytes at most"
            place = _Place(work / f"room-{name}-{room}", work / "data")
            process = place.start(*arguments, program=(ROOM, str(room)))
            told = process.communicate(timeout=LIMIT)[1]
            halves = list((place.folder / "work").glob("saved_models/*/*"))
            lines = [line for line in told.splitlines() if "not kept for the next run" not in line]  # of the cache
            if process.returncode and (process.returncode != 1 or len(lines) != 1 or "no space left" not in lines[0]):
                yield f"{what}: code {process.returncode}, {told[-300:]!r}"
            elif process.returncode and halves:
                yield f"{what}: half-written {halves[0].name}"
            else:
                yield _wrong(what, place, arguments, metrics)
