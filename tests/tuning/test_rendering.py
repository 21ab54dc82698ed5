"""What a search shows in a terminal."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest

from support.search_results import made, trial
from tuning.rendering import Live, show_result
from tuning.report.wording import comparison, validation_scores


def test_the_result_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    result = made(40)
    fixed = tuple(replace(told, values=told.values | {"same": "[red]x"}) for told in result.trials)
    show_result(replace(result, trials=fixed))
    out = capsys.readouterr().out
    assert "best 10 of 41 trials" in out and "default" in out
    assert f"units={result.best.values['units']}" in out and "same=" not in out
    assert " ".join(comparison(result).split()) in " ".join(out.split())
    assert "3 of 40 trials failed" in out and validation_scores(result) in out


def test_the_live_table_is_silent_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with Live("accuracy", "max", time.monotonic() + 60, 4) as live:
        live.began(0, {"units": 64})
        live.epoch(0, 1, 5, 0.5)
        live.ended(trial(0, 0.9))
    told = capsys.readouterr()
    assert told.out == told.err == ""


def test_the_live_table_tells_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")  # to rich, a terminal
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with Live("rmse", "min", time.monotonic() + 3600, 20) as live:
        for number, score in enumerate([3.0, 1.5, None, 2.0]):
            live.began(number, {"units": number})
            live.ended(trial(number, score, {"units": number}, note="[bold]x", curve=[]))
        live.began(4, {"units": 64, "kind": "[/red]"})
        live.epoch(4, 3, 10, 0.25)
        live.epoch(99, 1, 1, 0.5)  # of a trial nobody has heard of
    told = capsys.readouterr()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told.err)
    assert told.out == ""
    assert "3 of 20 trials done, 1 failed, best rmse 1.5, 0 s gone, 1 h 0 min left" in plain
    assert "███░░░░░░░ 3/10" in plain and "kind=[/red]" in plain
    assert re.search(r"1 +1\.5 .*\n.*3 +2 .*\n.*default +3 ", plain)
