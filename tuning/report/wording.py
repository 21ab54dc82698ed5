"""Sentences on a search, for the page and the terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any

from tuning.report.importance import is_number, level_of, scored

if TYPE_CHECKING:
    from tuning.results import SearchResult, TrialResult
    from zoo.tasks.terms import Scored


def summary(result: SearchResult) -> str:
    """A sentence on the number of trials, the method and the duration."""
    trials = counted(len(result.trials) - 1, "trial")
    return (
        f"{trials} beside the default configuration in {duration(result.seconds)}; "
        f"{result.method} search, seed {result.seed}."
    )


def ending(result: SearchResult) -> str:
    """A sentence on why the search ended."""
    return f"The search ended: {result.ended.rstrip('.')}."


def validation_scores(result: SearchResult) -> str:
    """A sentence on the best score on the inner validation examples, and on that of the default configuration."""
    if not scored([result.best]):
        return "No trial has a score."
    folds = "" if result.best.spread is None else f" ± {number(result.best.spread)} over the folds"
    best = f"Best {result.objective} on the inner validation examples {number(result.best.score)}{folds}"
    if result.best.number == result.default.number:
        return f"{best}: that of the default configuration."
    default = number(result.default.score) if scored([result.default]) else "failed"
    return f"{best} ({name_of(result.best).lower()}); default configuration: {default}."


def comparison(result: SearchResult) -> str:
    """Sentences on the best and the default configuration on held-out examples."""
    held_out, name = result.held_out, result.objective
    low, high = held_out.interval
    width = high - low if 0 < high - low < math.inf else abs(held_out.difference)
    # Digits up to the second of the interval's width are significant.
    digits = min(max(1 - math.floor(math.log10(float(f"{width:.2g}"))), 0), 10) if 0 < width < math.inf else 4
    best, default, difference, low, high = (
        f"{round(value, digits) + 0.0:,.{digits}f}"  # no -0.000
        for value in (held_out.best, held_out.default, held_out.difference, low, high)
    )
    where = f"n {counted(held_out.examples, f'{held_out.part} example')}"
    lost = "The search did not beat the default configuration: "
    if result.best.number == result.default.number:
        return f"{lost}no trial had a better {name} there. O{where} its {name} is {default}."
    scores = f"{where} {name} {best} against {default} of the default configuration"
    if not math.isfinite(held_out.difference):
        return f"O{where} {name} {best}; there is no default configuration to compare it with."
    interval = f"difference {difference}, 95 % interval {low} to {high}"
    if held_out.better(result.direction):
        return f"O{scores}; {interval}: better."
    if held_out.better("min" if result.direction == "max" else "max"):
        return f"{lost}o{scores}; {interval}: worse."
    return f"{lost}o{scores}; {interval}: the difference may be chance."


def beside(evaluation: Scored) -> str:
    """A sentence on the best model and simple models on held-out examples, by the first measure of the task."""
    name, own, rows = evaluation.beside()
    simple = "; ".join(f"{model} {number(value)}" for model, value in rows.items() if value is not None)
    return f"{name[0].upper()}{name[1:]} there {number(own)}, of simple models: {simple or '-'}."


def failures(result: SearchResult) -> str:
    """A sentence on the number of failed trials, and the most common reason."""
    failed = [trial for trial in result.trials if trial.status == "failed"]
    if not failed:
        return "No trial failed."
    reasons = Counter((trial.note.strip().splitlines() or ["no reason is known"])[0] for trial in failed)
    reason, times = reasons.most_common(1)[0]
    often = f"most often ({times} times)" if len(reasons) > 1 else "every one" if len(failed) > 1 else "it"
    reason = reason if len(reason) <= 200 else f"{reason[:199]}…"
    return f"{len(failed)} of {counted(len(result.trials) - 1, 'trial')} failed, {often}: {reason}"


def name_of(trial: TrialResult) -> str:
    """The name of a trial."""
    return f"Trial {trial.number}" if trial.number else "Default configuration"


def settings_text(values: Mapping[str, Any], names: Container[str] | None = None) -> str:
    """Hyperparameters in one line, as ``dropout=0.125 units=64``; `names` are those to show, None for all."""
    return " ".join(f"{name}={value_text(value)}" for name, value in values.items() if names is None or name in names)


def value_text(value: Any) -> str:
    """A hyperparameter's value as text; a number with a fraction has three digits."""
    return f"{value:.3g}" if is_number(value) and value != int(value) else level_of(value)


def number(value: float | None) -> str:
    """A score or loss as text, with four digits."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.4g}"


def counted(count: int, what: str) -> str:
    """A number with its noun, as "2,000 examples"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """A duration as text, as "12 min 3 s"."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 9.5 else f"{min(seconds, 59):.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
