"""Workers and their chief: addresses, ports, what is lost and found again."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import keras_tuner
import pytest

from support.places import ROOT
from support.searches import PROGRAM, program, trials_table
from tuning import chief, oracles, state_files, study
from tuning.searching import address_of
from zoo.errors import InputError


def oracle(trials: int = 4, method: str = "random") -> Any:
    found = oracles.oracle_of(method, keras_tuner.Objective("score", "max"), seed=0, trials=trials, epochs=9)
    found._set_project_dir(".", "search")
    hp = keras_tuner.HyperParameters()
    hp.Float("rate", 1e-4, 1e-1, sampling="log")
    hp.Choice("kind", ["a", "b"])
    found.update_space(hp)
    return found


def done(found: Any, trial: Any, score: float = 0.5) -> None:
    found.update_trial(trial.trial_id, {"score": score})
    trial.status = "COMPLETED"
    found.end_trial(trial)


@pytest.mark.parametrize("text", ["8600", "host:", ":8600", "host:port", "host:99999"])
def test_an_address_is_a_host_and_a_port(text: str) -> None:
    with pytest.raises(InputError, match="HOST:PORT"):
        address_of(text)
    assert address_of("192.168.0.10:8600") == ("192.168.0.10", 8600)


def test_a_port_in_use_is_told(workplace: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"127.0.0.1:{port} can't be listened on"):
            chief.serve(oracle(), "127.0.0.1", port, None, lambda: None)


def test_a_worker_without_a_chief_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chief, "CONNECT", 0.1)
    with pytest.raises(InputError, match="no chief answers at 127.0.0.1:.*--role chief"):
        chief.join("127.0.0.1", chief.free_port())


def test_the_trial_of_a_worker_that_is_lost_is_given_to_another(workplace: Path) -> None:
    found = oracle()
    first, second = found.create_trial("one"), found.create_trial("two")
    assert found.create_trial("one").trial_id == first.trial_id  # asking again is a sign of life
    found.release("one")
    done(found, second)
    again = found.create_trial("two")
    assert again.trial_id == first.trial_id and again.hyperparameters.values == first.hyperparameters.values


def test_a_worker_that_gives_no_sign_is_lost(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = oracle()
    first = found.create_trial("one")
    monkeypatch.setattr(oracles, "LOST", 0.0)
    time.sleep(0.01)
    assert found.create_trial("two").trial_id == first.trial_id


def test_numbers_that_a_worker_sends_back_rounded_stay_what_was_drawn(workplace: Path) -> None:
    found = oracle(method="grid")
    trial = found.create_trial("one")
    sent = keras_tuner.engine.trial.Trial.from_proto(trial.to_proto())
    exact = dict(trial.hyperparameters.values)
    sent.hyperparameters.values["rate"] *= 1 + 1e-9
    done(found, sent)
    assert found.trials[trial.trial_id].hyperparameters.values == exact
    assert found.create_trial("one").hyperparameters.values != exact


def test_a_trial_that_ended_while_the_chief_was_away_counts_once(workplace: Path) -> None:
    found = oracle(trials=2)
    trial = found.create_trial("one")
    again = oracle(trials=2)
    again.reload()
    assert again.retries == [trial.trial_id]
    done(again, trial)
    following = again.create_trial("one")
    assert following.trial_id != trial.trial_id
    done(again, following)
    assert again.create_trial("one").status == "STOPPED" and len(again.end_order) == 2


def test_what_a_worker_says_twice_counts_once(workplace: Path) -> None:
    found = oracle(trials=2)
    trial = found.create_trial("one")
    done(found, trial)
    done(found, trial)
    assert found.end_order == [trial.trial_id] and found.has_waiting_workers
    done(found, found.create_trial("one"))
    assert found.create_trial("one").status == "STOPPED" and not found.has_waiting_workers


def test_a_trial_whose_score_went_to_a_chief_that_was_killed_is_run_again(workplace: Path) -> None:
    found = oracle()
    trial = found.create_trial("one")
    again = oracle()
    again.reload()
    trial.status = "COMPLETED"
    again.end_trial(trial)
    assert not again.end_order and again.create_trial("one").trial_id == trial.trial_id


def test_a_worker_waits_for_a_chief_that_went_while_it_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(grpc.RpcError):
        def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.UNAVAILABLE

    asked: list[str] = []

    class Stub:
        def CreateTrial(self, request: str, **options: Any) -> str:
            asked.append(request)
            if len(asked) < 3:
                raise Gone
            return "trial"

    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    assert chief.RetryingStub(Stub()).CreateTrial("me", wait_for_ready=True) == "trial" and asked == ["me"] * 3
    monkeypatch.setattr(chief, "RETURN", -1.0)
    asked.clear()
    with pytest.raises(Gone):
        chief.RetryingStub(Stub()).CreateTrial("me")


def test_half_written_files_of_a_kill_are_no_hindrance(workplace: Path) -> None:
    found = oracle()
    done(found, found.create_trial("one"))
    known = next(Path("search").glob("trial_*"))
    orphan = known.with_name("trial_7")
    orphan.mkdir()
    state_files.write(orphan / "trial.json", state_files.read(known / "trial.json") | {"trial_id": "7"})
    again = oracle()
    again.reload()
    assert list(again.trials) == list(found.trials)


def test_what_a_search_keeps_is_refused_in_one_line_where_it_is_damaged(workplace: Path) -> None:
    found = oracle()
    done(found, found.create_trial("one"))
    study.open_folder(Path("run"), {"seed": 1, "rate": 0.5})
    (trial,) = Path("search").glob("trial_*/trial.json")

    def opened() -> None:
        study.open_folder(Path("run"), {"seed": 1, "rate": 0.5})
        again = oracle()
        again.reload()
        assert list(again.trials) == list(found.trials)

    opened()
    for path in (trial, Path("search/oracle.json"), Path("run/search.json")):
        whole = path.read_bytes()
        another = re.sub(rb": [01]", b": 9", whole, count=1)  # a number becomes another
        assert another != whole
        for content in (b"", b"[]", whole[:-9], another, b"\xff" + whole):
            path.write_bytes(content)
            with pytest.raises(InputError, match=f"{path} is damaged: .*; remove the folder of the search"):
                opened()
        values = json.loads(whole)
        del values[state_files.SUM]
        path.write_text(json.dumps(values))  # as 0.1.0 wrote it
        opened()
    Path("search/oracle.json").write_text("{}")
    with pytest.raises(InputError, match="oracle.json is damaged"):
        opened()


@pytest.mark.slow
def test_workers_on_their_own_join_a_chief_that_is_killed_and_comes_back(workplace: Path) -> None:
    port = chief.free_port()
    Path("program.py").write_text(
        PROGRAM.replace('workers": int(sys.argv[3])', f'oracle": \'127.0.0.1:{port}\', "role": sys.argv[3]').replace(
            "len(found.trials)", "found"
        )
    )
    text = Path("program.py").read_text()

    def start(role: str) -> subprocess.Popen:
        env = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-c", text, "random", "12", role, "shared", "artifacts/shared"]
        return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    served, worker = start("chief"), start("worker")
    try:
        ends = time.monotonic() + 200
        while len(list(Path("shared/search").glob("trial_*/curve.json"))) < 2 and time.monotonic() < ends:
            time.sleep(0.05)
        served.send_signal(signal.SIGKILL)
        served.wait()
        served = start("chief")
        assert served.wait(300) == 0 and worker.wait(60) == 0
    finally:
        for process in (served, worker):
            process.kill()
    rows = trials_table("artifacts/shared")
    assert [int(row["number"]) for row in rows] == list(range(13))
    assert all(row["status"] == "completed" for row in rows)


@pytest.mark.slow
def test_two_workers_find_what_one_finds(workplace: Path) -> None:
    assert program("random", 6, 1, "one", "artifacts/one").wait(300) == 0
    assert program("random", 6, 2, "two", "artifacts/two").wait(300) == 0
    one, two = (
        sorted(row["units"] + row["number"] for row in trials_table(f"artifacts/{name}")) for name in ("one", "two")
    )
    assert one == two


MAIN = """
import keras
import keras_tuner
import numpy as np
import tuning
from zoo.data import arrays

class Mine(keras_tuner.HyperModel):
    def build(self, hp):
        hidden = keras.layers.Dense(hp.Int("units", 8, 64, 8), "relu")
        model = keras.Sequential([hidden, keras.layers.Dense(3, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

if __name__ == "__main__":
    targets = np.arange(300) % 3
    data = arrays(np.random.default_rng(0).normal(size=(300, 6)).astype("float32"), targets)
    print("DONE", len(tuning.search(data, Mine(), trials=3, epochs=2, workers=2, folds=2, out="made").trials))
"""


@pytest.mark.slow
def test_workers_load_what_the_program_itself_defines(workplace: Path) -> None:
    Path("mine.py").write_text(MAIN, encoding="utf-8")
    env = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "mine.py"], env=env, capture_output=True, text=True, timeout=300)
    assert done.stdout.endswith("DONE 4\n"), done.stderr
