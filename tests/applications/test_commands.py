"""The commands as a user runs them."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.pictures import photo
from support.programs import command, foreign
from zoo.artifacts import artifact

SMALL = ["--input-size", "32"]
KILLS = int(os.environ.get("ZOO_KILLS", 3))  # at random moments; each takes half a minute


def zoo(*arguments: object, **options: object) -> subprocess.CompletedProcess:
    started = [sys.executable, "-c", "from zoo.cli import main; main()", *map(str, arguments)]
    done = subprocess.run(started, capture_output=True, text=True, timeout=300, **options)
    assert "--debug" in arguments or foreign(done.stderr) == []
    return done


def test_help_teaches() -> None:
    result = zoo("--help")
    assert result.returncode == 0
    for verb in ("sample", "check", "finetune", "evaluate", "predict", "backbones"):
        assert verb in result.stdout
        page = command(verb, "--help")
        assert page.returncode == 0 and "Usage: zoo " + verb in page.stdout


def test_names_complete() -> None:
    environment = os.environ | {"_ZOO_COMPLETE": "bash_complete", "COMP_WORDS": "zoo fi", "COMP_CWORD": "1"}
    assert "finetune" in zoo(env=environment).stdout


def test_backbones_are_listed_for_people_and_machines() -> None:
    text = zoo("backbones")
    assert "efficientnet_lite0" in text.stdout and "on this machine" in text.stdout
    rows = {row["name"]: row for row in json.loads(zoo("backbones", "--json").stdout)}
    assert rows["efficientnet_lite0"]["available"] and rows["resnet50"]["embedding_width"] == 2048


def test_a_draft_tells_its_profile_and_leaves_nothing(folder: Path, workplace: Path) -> None:
    done = zoo("finetune", folder, "--draft", "--profile", *SMALL)
    assert done.returncode == 0 and not (workplace / "saved_models").exists()
    stages = [line.split()[0] for line in done.stdout.splitlines() if line.endswith(" s")]
    assert stages == ["read", "embed", "head", "score"]


@pytest.mark.slow
def test_from_a_folder_to_predictions(workplace: Path) -> None:
    assert zoo("sample", "digits", "digits").stdout == "1,797 examples in digits\n"
    assert zoo("sample", "digits", "digits").returncode == 2
    for number in range(10):
        if number > 5:
            shutil.rmtree(workplace / "digits" / str(number))
            continue
        for file in sorted((workplace / "digits" / str(number)).iterdir())[20:]:
            file.unlink()
    (workplace / "digits" / "3" / "broken.png").write_bytes(b"\x89PNG broken")

    checked = json.loads(zoo("check", "digits", "--json").stdout)
    assert checked["parts"] == {"train": 96, "validation": 24}
    assert [note["name"] for note in checked["intake"]] == ["3/broken.png"]
    assert "3/broken.png" in zoo("check", "digits").stdout

    tuned = zoo("finetune", "digits", *SMALL, "--profile")
    assert tuned.returncode == 0, tuned.stderr
    for word in ("precision", "accuracy", "log loss", "most frequent", "left out", "no label differs", "embed"):
        assert word in tuned.stdout
    assert tuned.stderr.count("Traceback") == 0

    scored = zoo("evaluate", "digits", "digits", "--csv", "scores.csv")
    assert scored.returncode == 0 and "confusion" in scored.stdout
    with (workplace / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24 and {row["right"] for row in rows} <= {"0", "1"}
    assert [row["right"] for row in rows] == sorted(row["right"] for row in rows)

    table = zoo("predict", "digits", "digits/3", "digits/4/*.png")
    assert table.returncode == 0 and "unreadable" in table.stdout
    listed = "\n".join(str(p) for p in sorted(Path("digits/5").iterdir()))
    answers = json.loads(zoo("predict", "digits", "-", "--json", "--top", "2", input=listed).stdout)
    assert len(answers) == 20 and all(len(answer["probabilities"]) == 2 for answer in answers)


@pytest.mark.slow
def test_what_machines_read(tiny: str, workplace: Path, folder: Path) -> None:
    first = command("finetune", folder, "--backbone", tiny, "--weights", "random", "--json")
    assert json.loads(first.stdout)["metrics"]["examples"] == 6
    again = command("finetune", folder, "--json", "--from", "photos")
    assert again.returncode == 0, again.stderr
    assert Path(json.loads(again.stdout)["artifact"]) == Path("saved_models/photos/2")
    assert json.loads(command("evaluate", "photos/1", folder, "--json").stdout)["examples"] == 6
    strange = command("evaluate", "photos/1", folder, "--strangers", folder / "red")
    assert "12 strangers among 6 examples" in strange.stdout and "is_known: false for" in strange.stdout
    as_json = json.loads(command("evaluate", "photos/1", folder, "--strangers", folder / "red", "--json").stdout)
    assert as_json["strangers"]["strangers"] == 12
    (folder / "red" / "bad.png").write_bytes(b"bad")
    command("predict", "saved_models/photos/1", folder / "red", "--csv", "answers.csv")
    with (workplace / "answers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 13 and sum(bool(row["error"]) for row in rows) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["finetune", "nowhere"], "does not exist"),
        (["finetune", "empty"], "found none"),
        (["finetune", "one"], "at least two classes"),
        (["finetune", "two"], "too few"),
        (["finetune", "file.txt"], "is a file"),
        (["finetune", "good", "--backbone", "resnet5O"], "did you mean resnet50"),
        (["finetune", "good", "--effort", "huge"], "quick"),
        (["predict", "nothing", "file.txt"], "no artifact"),
        (["predict", "nothing"], "Missing argument"),
        (["sample", "digits", "good"], "nothing is overwritten"),
        (["evaluate", "nothing", "good"], "no artifact"),
        (["fintune"], "No such command"),
    ],
)
def test_wrong_use_ends_in_one_line_and_code_2(workplace: Path, arguments: list[str], expected: str) -> None:
    (workplace / "empty").mkdir()
    (workplace / "file.txt").write_text("text")
    photo(workplace / "one" / "a" / "0.png", 0, 0)
    for colour, name in enumerate("ab"):
        photo(workplace / "two" / name / "0.png", colour, colour)
        for index in range(3):
            photo(workplace / "good" / name / f"{index}.png", colour, 10 * colour + index)
    result = command(*arguments)
    assert result.returncode == 2 and foreign(result.stderr) == []
    assert expected in result.stderr and "Traceback" not in result.stderr
    assert not (workplace / "saved_models").exists()


def test_weights_that_are_not_here_are_a_failed_job_that_names_the_way(workplace: Path, folder: Path) -> None:
    closed = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    environment = os.environ | closed | {"KERAS_HOME": str(workplace)}
    result = zoo("finetune", folder, "--backbone", "mobilenet", env=environment)
    assert result.returncode == 1
    message = result.stderr.splitlines()[-1]
    assert message.startswith("zoo: ") and "efficientnet_lite0" in message and str(workplace) in message


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(workplace: Path, folder: Path) -> None:
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))\n"  # over 3 MB fails
        "from zoo.cli import main; main()"
    )
    limited = [sys.executable, "-c", code, "finetune", str(folder), *SMALL, "--out", "saved_models/full"]
    result = subprocess.run(limited, capture_output=True, text=True, timeout=300)
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1].startswith("zoo: ") and "Traceback" not in result.stderr
    place = workplace / "saved_models" / "full"
    assert not place.exists() or not list(place.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_any_moment_nothing_half_written_is_readable_and_a_second_run_finishes(
    workplace: Path, folder: Path
) -> None:
    environment = os.environ | {"ZOO_CACHE": str(workplace / "cache")}
    finetune = [sys.executable, "-c", "from zoo.cli import main; main()", "finetune", str(folder), *SMALL]
    started = time.monotonic()
    whole = subprocess.run(finetune, capture_output=True, env=environment, check=True, timeout=300)
    assert whole.returncode == 0
    seconds = time.monotonic() - started
    shutil.rmtree(workplace / "cache")
    shutil.rmtree(workplace / "saved_models")
    rng = random.Random(0)
    for attempt in range(KILLS):
        if attempt % 5 == 0:
            shutil.rmtree(workplace / "cache", ignore_errors=True)
        process = subprocess.Popen(
            finetune, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        # The last quarter is where files are written.
        moment = rng.uniform(0.05, 1) if attempt % 2 else rng.uniform(0.7, 1.05)
        try:
            process.wait(moment * seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        place = workplace / "saved_models" / "photos"
        for version in artifact.versions(place) if place.exists() else []:
            assert json.loads((place / str(version) / "card.json").read_text())["parity"]["passed"]
            for part in ("saved_model.pb", "variables/variables.index", "model.keras", "run/splits.csv"):
                assert (place / str(version) / part).stat().st_size > 0
    finished = subprocess.run(finetune, capture_output=True, text=True, env=environment, timeout=300)
    assert finished.returncode == 0, finished.stderr
    assert not list(place.glob(".partial-*")) and not list((workplace / ".runs").iterdir())
    assert zoo("predict", "photos", folder / "red" / "00.png", env=environment).returncode == 0
