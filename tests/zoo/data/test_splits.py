from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.artifacts import provenance
from zoo.data.splits import stratified


def one_hot(labels: list[int]) -> np.ndarray:
    return np.eye(max(labels) + 1, dtype=np.int64)[labels]


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=80),
    fraction=st.floats(0.1, 0.5),
    seed=st.integers(0, 1000),
)
def test_single_labels_are_held_out_in_equal_shares(labels: list[int], fraction: float, seed: int) -> None:
    held = stratified(one_hot(labels), range(len(labels)), fraction, seed)
    for label in set(labels):
        members = np.array(labels) == label
        count, out = members.sum(), (held & members).sum()
        if count == 1:
            assert out == 0  # what there is one of is learnt, not scored
        else:
            assert 1 <= out < count
            assert abs(out - fraction * count) <= 1


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=2, max_size=80),
    seed=st.integers(0, 1000),
)
def test_groups_are_never_torn(rows: list[tuple[int, int]], seed: int) -> None:
    groups = np.array([group for _, group in rows])
    held = stratified(one_hot([label for label, _ in rows]), groups, 0.25, seed)
    for group in set(groups.tolist()):
        assert len(set(held[groups == group].tolist())) == 1


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.sets(st.integers(0, 3)), min_size=40, max_size=120), seed=st.integers(0, 1000))
def test_several_labels_are_held_out_in_nearly_equal_shares(rows: list[set[int]], seed: int) -> None:
    labels = np.array([[int(label in row) for label in range(4)] for row in rows])
    held = stratified(labels, range(len(rows)), 0.25, seed)
    for column in labels.T:
        if column.sum() >= 8:
            assert abs(held[column == 1].mean() - 0.25) < 0.15


def test_the_seed_decides_and_nothing_else() -> None:
    labels = one_hot([0, 1] * 30)
    first = stratified(labels, range(60), 0.2, 7)
    assert (first == stratified(labels, range(60), 0.2, 7)).all()
    assert (first != stratified(labels, range(60), 0.2, 8)).any()


def test_what_a_model_was_trained_on_is_known_or_it_is_said_why_not(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    first, second = "a" * 64, "b" * 64
    (run / "splits.csv").write_text(f'path,label,split,sha256\n"a\nb",x,train,{first}\nc,x,test,{second}\n')
    assert provenance.trained_on(tmp_path, started=False) == ({first}, None)
    assert provenance.trained_on(tmp_path, started=True) == ({first}, "run/trained_before.txt is missing")
    assert provenance.trained_on(tmp_path, False, "photos of others")[1] == "the model was trained on photos of others"
    (run / "trained_before.txt").write_text(f"{second}\n")
    assert provenance.trained_on(tmp_path, started=True) == ({first, second}, None)
    (run / "trained_before.txt").write_text(f"{second}\n{provenance.UNKNOWN}")
    known, doubt = provenance.trained_on(tmp_path, started=True)
    assert known == {first, second} and "the artifact that it started from" in doubt
    for damaged in ("", "path,label\na,b\n", f"sha256,split\n{first},trian\n", "sha256,split\nx,train\n", '"\0'):
        (run / "splits.csv").write_text(damaged)
        assert provenance.trained_on(tmp_path, started=False) == (set(), "run/splits.csv is damaged")


@pytest.mark.parametrize("kind", ["one label a group", "labels mixed", "several labels"])
def test_large_groups_leave_the_share_near_what_is_asked_for(kind: str) -> None:
    off = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, 100, 8)
        groups = np.repeat(np.arange(8), sizes)
        if kind == "several labels":
            labels = rng.integers(0, 2, (len(groups), 3))
        else:
            chosen = np.repeat(np.arange(8) % 2, sizes) if kind == "one label a group" else np.arange(len(groups)) % 2
            labels = np.eye(2, dtype=int)[chosen]
        held = stratified(labels, groups, 0.2, seed)
        assert not set(groups[held]) & set(groups[~held])
        assert labels[held].any(axis=0).all() and labels[~held].any(axis=0).all()
        off.append(abs(held.mean() - 0.2))
    assert max(off) < {"one label a group": 0.06, "labels mixed": 0.03, "several labels": 0.04}[kind]
