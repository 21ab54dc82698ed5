"""The best model of a search: scored beside the default configuration, reported and exported."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuning.objectives import compare
from tuning.report import page
from tuning.report.wording import beside
from tuning.results import SearchResult, TrialResult
from tuning.study import trial_result
from zoo.errors import JobError
from zoo.progress import quiet


def export_winner(search: Any, oracle: Any, folder: Path, default: TrialResult, out: Path) -> SearchResult:
    """Score the best and the default model on the held-out part, write the report, and export the best.

    Args:
        search: the search, as `tuning.study.Search`.
        oracle: has the trials.
        folder: of the search.
        default: result of the default configuration.
        out: folder of the artifact.

    Raises:
        JobError: all trials failed, or the export differs from the model; nothing is published.
    """
    problem = search.problem
    ended = [oracle.trials[name] for name in oracle.start_order if oracle.trials[name].status != "RUNNING"]
    trials = (default, *(trial_result(trial, folder) for trial in ended))
    if len(trials) > 1 and all(trial.status == "failed" for trial in trials[1:]):
        raise JobError(f"no trial succeeded: {trials[-1].note}; their files are in {folder}")
    completed = [trial for trial in trials if trial.score is not None]
    best = min(completed, key=lambda trial: trial.rank(problem.objective.direction))
    part = "test" if problem.data.test is not None else "validation"
    with quiet():
        model, outputs = problem.finish(problem.defaults, default.epochs, folder / "default")
        settings, default_outputs = problem.defaults, outputs
        if best is not default:
            name = next(trial.trial_id for trial in ended if int(trial.trial_id) + 1 == best.number)
            settings = search.space(oracle.trials[name].hyperparameters)
            model, outputs = problem.finish(settings, best.epochs, folder / "search" / f"trial_{name}")
    oracle.prune()  # `finish` may have trained a model again, and written its checkpoint
    targets = problem.data.held_out.targets
    held_out = compare(problem.objective, problem.task, targets, outputs, default_outputs, part, search.seed)
    result = SearchResult(
        model=problem.name,
        data=str(problem.data.source),
        method=search.method,
        objective=problem.objective.name,
        direction=problem.objective.direction,
        seed=search.seed,
        seconds=oracle.elapsed() + default.seconds,
        trials=trials,
        best=best,
        held_out=held_out,
        settings=settings,
        ended=oracle.ended or "the budget is used up",
        beside=(beside(model.evaluation), *(f"{finding}." for finding in model.findings)),
    )
    summary = result.to_dict()
    for trial in (summary["best"], *summary["trials"]):
        trial.pop("curve")
    model.card["search"] = summary
    run = folder / "artifact"
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir()
    page.write(result, run)
    (run / "search.json").write_text(json.dumps(result.to_dict(), default=str), encoding="utf-8")
    return replace(result, artifact=model.export(out, run))
