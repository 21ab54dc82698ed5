"""Jobs beside one another, places that can't be written and full disks: nothing is lost, and what is wrong is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from support.pictures import photo
from support.places import ROOT
from support.programs import command
from zoo import files
from zoo.errors import InputError, JobError, Notice
from zoo.kinds import samples

TRAIN = ("train", "mlp", "xor/xor.csv", "--epochs", "3")


@pytest.fixture
def xor(workplace: Path) -> Path:
    samples.write("xor", workplace / "xor")
    return workplace


def process(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", "from zoo.cli import main; main()", *arguments]
    named = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.Popen(program, env=named, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_place_of_the_artifact_is_part_of_a_run(workplace: Path) -> None:
    default = files.run_folder(Path("saved_models/model"), "0123456789")
    assert default == Path(".runs/model-0123456789")  # as 0.1.0 named it, so that its runs go on
    assert files.run_folder(workplace / "saved_models" / "model", "0123456789") == default
    others = {files.run_folder(Path(out), "0123456789") for out in ("a/model", "b/model", "model")}
    assert len(others | {default}) == 4


def test_runs_are_where_the_variable_says(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_RUNS", str(workplace / "elsewhere"))
    here = files.run_folder(Path("saved_models/model"), "01")
    assert here.parent == workplace / "elsewhere"
    (workplace / "other").mkdir()
    monkeypatch.chdir(workplace / "other")
    assert files.run_folder(Path("saved_models/model"), "01") != here, "another folder's job of the same name"


def test_a_claim_is_this_threads_alone_and_ends_with_the_block(workplace: Path) -> None:
    run = Path(".runs/job")
    said: list[object] = []

    def other() -> None:
        try:
            with files.locked(run):
                said.append("claimed")
        except JobError as error:
            said.append(str(error))

    with files.locked(run), files.locked(run):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        child = subprocess.run([sys.executable, "-c", CLAIM], capture_output=True, text=True, env=PATHS)
    assert "another thread of this process" in said[0] and "--out" in said[0]
    assert f"process {os.getpid()}, since" in child.stderr and "does this same job already" in child.stderr
    other()
    assert said[1] == "claimed"


def test_a_thread_or_a_process_that_waits_goes_on_when_the_block_ends(workplace: Path) -> None:
    run = Path(".runs/job")
    said: list[str] = []

    def other() -> None:
        with files.locked(run, wait=True):
            said.append("thread")

    thread = threading.Thread(target=other)
    with files.locked(run):
        thread.start()
        code = CLAIM.replace('"))', '"), wait=True)').replace("time.sleep(60)", "")
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=PATHS)
        time.sleep(0.5)
        assert not said and child.poll() is None
    thread.join(timeout=30)
    assert said == ["thread"] and child.communicate(timeout=30)[0] == "claimed\n"


PATHS = os.environ | {"PYTHONPATH": str(ROOT)}
CLAIM = """
import sys, time
from pathlib import Path
from zoo.files import locked
with locked(Path(".runs/job")):
    print("claimed", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_leaves_no_claim(workplace: Path) -> None:
    held = subprocess.Popen([sys.executable, "-c", CLAIM], stdout=subprocess.PIPE, text=True, env=PATHS)
    assert held.stdout.readline() == "claimed\n"
    with pytest.raises(JobError, match=f"process {held.pid}"), files.locked(Path(".runs/job")):
        pass
    held.send_signal(signal.SIGKILL)
    held.wait()
    with files.locked(Path(".runs/job")):
        pass


def test_of_many_that_claim_a_folder_that_comes_and_goes_one_at_a_time_has_it(workplace: Path) -> None:
    inside, most, done = [0], [0], [0]
    lock = threading.Lock()

    def work(number: int) -> None:
        for _ in range(60):
            try:
                with files.locked(Path(".runs/job")) as run:
                    with lock:
                        inside[0] += 1
                        most[0] = max(most[0], inside[0])
                    (run / str(number)).write_text("mine")
                    time.sleep(0.0005)
                    files.remove_run(run)
                    done[0] += 1
                    with lock:
                        inside[0] -= 1
            except JobError:
                time.sleep(0.0005)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1 and done[0] > 0


def test_a_run_is_removed_at_once(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the process is killed while it removes, the next one begins anew, and takes away what is left."""
    run = Path(".runs/job")
    run.mkdir(parents=True)
    (run / "state").write_text("whole")
    with monkeypatch.context() as patch:
        patch.setattr(files.shutil, "rmtree", lambda *_, **__: None)
        patch.setattr(files.os, "getpid", lambda: 2**22 + 1)  # of no process
        files.remove_run(run)
    assert not run.exists() and list(Path(".runs").iterdir())
    with files.locked(run):
        assert [child.name for child in run.iterdir()] == [".lock"]
        assert list(Path(".runs").iterdir()) == [run]


@pytest.mark.slow
def test_the_same_training_twice_at_once(xor: Path) -> None:
    """The second says which process does it, or comes when that has ended; both outs of one name are two jobs."""
    first, second = process(*TRAIN), process(*TRAIN)
    ended = [(each, *each.communicate()) for each in (first, second)]
    good = [each for each, _, _ in ended if each.returncode == 0]
    assert good, ended
    for each, _, errors in ended:
        if each not in good:
            assert each.returncode == 1 and f"process {good[0].pid}, since" in errors, errors
            assert len(errors.splitlines()) == 1
    assert len(list(Path("saved_models/xor").iterdir())) == len(good)
    both = [process(*TRAIN, "--out", f"{place}/model") for place in ("a", "b")]
    assert [each.communicate() and each.returncode for each in both] == [0, 0]
    assert Path("a/model/1/card.json").is_file() and Path("b/model/1/card.json").is_file()
    assert not Path(".runs").exists() or not list(Path(".runs").iterdir())


def test_what_can_not_be_written_is_refused_before_the_work(xor: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("in the way")
    out = command(*TRAIN, "--out", "file/model")
    assert out.returncode == 2 and "file is a file" in out.stderr and "--out" in out.stderr
    monkeypatch.setenv("ZOO_RUNS", "file/runs")
    runs = command(*TRAIN)
    assert runs.returncode == 2 and "file/runs" in runs.stderr and "ZOO_RUNS" in runs.stderr
    answers = command("predict", "nothing", "xor/xor.csv", "--csv", "nowhere/answers.csv")
    assert answers.returncode == 2 and "nowhere/answers.csv: its folder does not exist" in answers.stderr
    assert not Path("saved_models").exists()


def test_a_cache_that_can_not_be_written_costs_no_job(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("in the way")
    monkeypatch.setenv("ZOO_CACHE", str(workplace / "file" / "cache"))
    files._temporary_cache.cache_clear()
    with pytest.warns(Notice, match="ZOO_CACHE names another") as told:
        folder = files.cache_folder("embeddings")
        assert files.cache_folder("embeddings") == folder
    assert len(told) == 1 and folder.is_dir() and not folder.is_relative_to(workplace)
    (folder / "it").write_text("kept while the process lives")


def test_without_a_home_there_is_a_cache(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOO_CACHE")
    monkeypatch.setenv("HOME", "/proc/nowhere")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    files._temporary_cache.cache_clear()
    with pytest.warns(Notice, match="can't be written"):
        assert files.cache_folder("weights").is_dir()


FULL = """
import resource, sys
from zoo.cli import main
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("room", [4_000, 60_000])
def test_where_no_room_is_left_it_is_said_and_the_next_run_goes_on(xor: Path, room: int) -> None:
    """A limit of the size of files stands for a full disk: it binds root too."""
    named = os.environ | {"PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-c", FULL, str(room), *TRAIN]
    full = subprocess.run(program, env=named, text=True, capture_output=True)
    assert full.returncode == 1, full
    assert "no space left to write" in full.stderr and len(full.stderr.splitlines()) == 1, full.stderr
    assert not list(Path("saved_models").glob("xor/*")), "nothing half-written"
    again = command(*TRAIN, "--json")
    assert again.returncode == 0, again.stderr
    metrics = json.loads(again.stdout)["metrics"]
    alone = json.loads(command(*TRAIN, "--json", "--out", "other/xor").stdout)["metrics"]
    assert metrics == alone and not list(Path("saved_models/xor").glob(".partial*"))


@pytest.mark.slow
def test_weights_that_do_not_fit_on_the_disk_end_no_process(workplace: Path) -> None:
    """HDF5 fails once more at the end of the process, and takes it down."""
    for label in "ab":
        for index in range(4):
            photo(Path("photos") / label / f"{index}.png", "ab".index(label), index)
    named = os.environ | {"PYTHONPATH": str(ROOT), "ZOO_CACHE": str(workplace / "cache")}
    program = [sys.executable, "-c", FULL, "300000", "finetune", "photos", "--input-size", "32"]
    full = subprocess.run(program, env=named, text=True, capture_output=True)
    assert full.returncode == 1 and "no space left to write" in full.stderr.splitlines()[-1], full
    assert not list(Path("cache").rglob("*.h5")) and not list(Path("cache").rglob(".partial*"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_device_is_told(xor: Path) -> None:
    from zoo.cli import _line

    with pytest.raises(OSError) as error, open("/dev/full", "w") as file:
        file.write("x" * 10_000)
    assert "no space left to write" in _line(error.value)


def test_writable_is_what_can_be_made(workplace: Path) -> None:
    files.check_writable(Path("new/folder/model"))
    Path("file").write_text("")
    with pytest.raises(InputError, match="file is a file"):
        files.check_writable(Path("file/model"))
    assert not Path("new").exists()
