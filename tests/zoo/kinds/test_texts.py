from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.places import shared
from zoo import InputError
from zoo.data import open as open_data
from zoo.data import text
from zoo.kinds import Texts

GOOD, BAD = ("a warm, moving film", "what a delight!"), ("a dull and endless bore", "isn't it awful?")


def folder(root: Path, parts: tuple[str, ...] = ("train", "test"), count: int = 12) -> Path:
    """The layout of IMDB's reviews."""
    for part in parts:
        for name, sentences in (("neg", BAD), ("pos", GOOD)):
            (root / part / name).mkdir(parents=True)
            for index in range(count):
                words = f"{sentences[index % 2]} {part or 'film'} number {index}"
                (root / part / name / f"{index}_{7 * index % 10}.txt").write_text(words, encoding="utf-8")
    return root


def left_out(data: object) -> dict[str, str]:
    return {note.name: note.reason for note in data.intake if note.action == "left out"}


def spaced(texts: list[str]) -> list[str]:
    from zoo.builders.preprocessing import spaced_words

    return [each.decode("utf-8") for each in spaced_words(np.array(texts, dtype=object)).numpy()]


def test_folders_as_imdb_has_them(tmp_path: Path) -> None:
    root = folder(tmp_path / "aclImdb")
    (root / "train" / "unsup").mkdir()
    for index in range(3):
        (root / "train" / "unsup" / f"{index}.txt").write_text("who knows")
    (root / "train" / "urls_pos.txt").write_text("http://...")
    (root / "README").write_text("read me")
    (root / "train" / "pos" / "empty.txt").write_text(" \n")
    (root / "train" / "pos" / "latin.txt").write_bytes(b"caf\xe9")
    (root / "train" / "pos" / "page.html").write_text("<p>")
    (root / "train" / "neg" / "copy.txt").write_bytes((root / "test" / "neg" / "3_1.txt").read_bytes())
    data = open_data(root)
    assert data.classes == ("neg", "pos") and data.task.name == "classification"
    assert len(data.train) == 24 and len(data.test) == 24 and data.validation is None
    assert left_out(data) == {
        "unsup": "3 texts without label",
        "train/urls_pos.txt": "outside any class folder",
        "README": "outside the train, val and test folders",
        "train/pos/empty.txt": "empty",
        "train/pos/latin.txt": "no UTF-8: byte 0xe9 at 3",
        "train/pos/page.html": "no .txt file",
        "train/neg/copy.txt": "same content as test/neg/3_1.txt, which is in the test part",
    }
    assert data.input["kind"] == "text" and data.input["column"] is None
    part, _ = data.kind.labelled(root, data.task)
    assert part.names == data.test.names and part.digests == data.test.digests
    (root / "test" / "neg").rename(root / "test" / "middling")
    with pytest.raises(InputError, match="does not know the label 'middling'"):
        data.kind.labelled(root, data.task)


def test_a_folder_without_parts_is_split(tmp_path: Path) -> None:
    data = text(folder(tmp_path / "reviews", ("",)))
    assert len(data.train) == 20 and len(data.validation) == 4
    assert np.bincount(data.validation.targets).tolist() == [2, 2]
    assert data.train.names[0].startswith("neg/")


def test_strings_become_ids_and_the_model_survives_saving(tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    from zoo.arrays import apply

    data = text(folder(tmp_path / "reviews"))
    ids = apply(data.preprocess, data.train.inputs)
    assert ids.dtype == np.int32 and ids.shape == (24, data.input["length"]) and data.input["length"] == 8
    assert data.vocabulary[:2] == ("", "[UNK]") and "train" in data.vocabulary
    assert "test" not in data.vocabulary  # a word of the held-out part alone
    first = [data.vocabulary[index] for index in ids[0] if index]
    assert " ".join(first) == spaced([data.train.inputs[0]])[0]
    unknown = apply(data.preprocess, np.array(["a zebra", "", "?!"], dtype=object))
    assert unknown[0, 1] == 1 and (unknown[0, 2:] == 0).all() and (unknown[1] == 0).all()

    data.preprocess.save(tmp_path / "words.keras")
    loaded = keras.models.load_model(tmp_path / "words.keras", safe_mode=True)
    np.testing.assert_array_equal(apply(loaded, data.test.inputs), apply(data.preprocess, data.test.inputs))
    loaded.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(tmp_path / "exported").serve(tf.constant(data.train.inputs))
    np.testing.assert_array_equal(served, ids)


def test_length_and_vocabulary_are_arguments(tmp_path: Path) -> None:
    from zoo.arrays import apply

    data = text(folder(tmp_path / "reviews"), length=3, vocabulary_size=5)
    assert len(data.vocabulary) == 5 and data.input["length"] == 3
    ids = apply(data.preprocess, data.test.inputs)
    assert ids.shape == (24, 3) and ids.max() == 4
    long = pd.DataFrame({"text": [f"word{index} " * 900 for index in range(10)], "label": [0, 1] * 5})
    assert text(long).input["length"] == 400


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("It's GREAT!!", "it's great ! !"),
        ("'''Conan''' and 'rock'n'roll'", "conan and rock'n'roll"),
        ("so-so...<br /><br/>Really?", "so so really ?"),
        ("ÄRGER, Łódź — ΣΟΦΙΑ", "ärger łódź σοφια"),
        ("isn\u2019t \u2018it\u2019", "isn't it"),
        ("😀😀 ok", "😀 😀 ok"),
        ("10/10\t\n", "10 10"),
        ("... ' ''", ""),
    ],
)
def test_words(written: str, expected: str) -> None:
    assert spaced([written]) == [expected]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0")), min_size=1))
def test_words_are_words_once_made(written: list[str]) -> None:
    once = spaced(written)
    assert not any("  " in each for each in once)
    assert spaced(once) == once


def test_columns_are_found(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    rows = [f'{index},"{(GOOD + BAD)[index % 4]}, {index}",{"pos" if index % 4 < 2 else "neg"}' for index in range(40)]
    path.write_text("\n".join(["id,review,sentiment", *rows]))
    data = open_data(path)
    assert data.input["column"] == "review" and data.input["target"] == "sentiment"
    assert data.classes == ("neg", "pos") and len(data.validation) == 8
    assert data.fingerprint == text(path, column="review", target="sentiment").fingerprint
    frame = pd.read_csv(path)
    assert text(frame).train.digests == data.train.digests
    with pytest.raises(InputError, match="no column 'words'"):
        text(path, column="words")
    with pytest.raises(InputError, match="can't be both"):
        text(path, column="review", target="review")
    with pytest.raises(InputError, match="--target COLUMN; there are id, review, feeling, stars"):
        text(frame.rename(columns={"sentiment": "feeling"}).assign(stars=np.arange(40) % 5))
    names, texts, errors = data.kind.raw(path)
    assert names[0] == "row 2" and texts[0] == "a warm, moving film, 0" and not errors
    part, _ = data.kind.labelled(path, data.task)
    assert len(part) == 40 and set(data.train.digests) <= set(part.digests)


def test_a_number_may_be_asked_for() -> None:
    frame = pd.DataFrame({"text": [f"film number {index}" for index in range(30)], "y": np.linspace(-4, 4, 30)})
    data = text(frame)
    assert data.task.name == "regression" and data.classes == ("y",) and data.train.targets.dtype == np.float32


def test_equal_texts_stay_on_one_side() -> None:
    frame = pd.DataFrame({"text": [f"the same words {index % 20}" for index in range(60)], "y": [0, 1] * 30})
    data = text(frame)
    assert not set(data.train.digests) & set(data.validation.digests)
    given_ = frame.assign(split=["train"] * 40 + ["test"] * 20)
    with pytest.raises(InputError, match="leave nothing to learn from"):
        text(given_)  # each training text is held out, too


def test_texts_to_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Texts(length=8)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "one.txt").write_text("one", encoding="utf-8")
    (tmp_path / "films" / "two.txt").write_bytes(b"\xff\xfe")
    names, texts, errors = kind.raw("a plain text")
    assert names == ["input 0"] and texts.tolist() == ["a plain text"] and not errors
    names, texts, errors = kind.raw(["good", "", "films", "x" * 5000, 7])
    assert texts.tolist() == ["good", "", "films", "x" * 5000, ""] and errors.keys() == {1, 4}
    names, texts, errors = kind.raw("films")
    assert names == ["films/one.txt", "films/two.txt"] and texts[0] == "one" and "UTF-8" in errors[1]
    assert kind.raw("films/one.txt")[1].tolist() == ["one"]
    assert kind.raw([Path("films")])[0] == names
    assert kind.raw("")[2] == {0: "empty: expected a text"}
    for missing in ("gone.txt", Path("gone")):
        with pytest.raises(InputError, match="gone.* does not exist"):
            kind.raw(missing)


@pytest.mark.parametrize(
    ("frame", "options", "expected"),
    [
        ({"text": ["", "a b", "c d"] * 4, "y": ["x", "z", "z"] * 4}, {}, r"class 'x' has 0 text\(s\).*4 texts being"),
        ({"text": [""] * 12, "y": [0, 1] * 6}, {}, "every text is empty"),
        ({"text": ["a b", "c d"] * 6, "y": ["x"] * 12}, {}, "at least two classes"),
        ({"text": ["a b", "c d"] * 6, "y": [None] * 12}, {"target": "y"}, "row 0: the target 'y' is missing"),
        ({"a": [1.5, 2.5] * 6, "y": [0, 1] * 6}, {}, "no column of texts"),
        ({"text": ["a b", "c d"] * 6, "y": [0, 1] * 6}, {"length": 0}, "length of 1"),
    ],
)
def test_errors_name_what_is_wrong(frame: dict, options: dict, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        text(pd.DataFrame(frame), **options)


def test_folders_that_hold_no_texts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found none"):
        text(tmp_path)
    root = folder(tmp_path / "reviews", ("",))
    with pytest.raises(InputError, match="leave out column, target and later"):
        text(root, target="pos")
    (root / "lonely").mkdir()
    (root / "lonely" / "one.txt").write_text("alone")
    with pytest.raises(InputError, match=r"class 'lonely' has 1 text\(s\)"):
        text(root)


def test_rated_sentences_without_a_header() -> None:
    path = shared("movie-snippets") / "ratings.tsv"
    data = open_data(path)
    assert data.task.name == "regression" and data.input["column"] == "2" and data.input["target"] == "1"
    assert len(data.train) + len(data.validation) == 10_605
    assert data.train.targets.min() >= -4 and data.train.targets.max() <= 4
    assert "movie" in data.vocabulary[:100] and len(data.vocabulary) < 20_000


def test_titles_and_bodies_are_joined_and_a_text_may_have_several_labels(tmp_path: Path) -> None:
    kinds = ("kind and warm", "you idiot", "i will find you")
    rows = [(f"note {at}", f"{kinds[at % 3]}, {at}", int(at % 3 > 0), int(at % 3 > 1)) for at in range(60)]
    frame = pd.DataFrame(rows, columns=["title", "body", "toxic", "threat"])
    frame.loc[3, "title"] = None
    frame.to_csv(tmp_path / "t.csv", index=False)
    data = text(tmp_path / "t.csv", column=["title", "body"], target=["toxic", "threat"])
    assert data.task.name == "multi_label" and data.classes == ("toxic", "threat")
    kind = type(data.kind).from_card(json.loads(json.dumps(data.kind.to_card())))
    assert kind.column == ("title", "body") and kind.target == ("toxic", "threat")
    raw = kind.raw(tmp_path / "t.csv")
    assert raw.inputs[0] == "note 0\nkind and warm, 0" and raw.inputs[3] == "kind and warm, 3" and not raw.errors
    part, _ = kind.labelled(tmp_path / "t.csv", data.task)
    assert part.targets[:3].tolist() == [[0, 0], [1, 0], [1, 1]]
    checks = kind.card_checks({}, supervised=True)
    assert checks["column"](["title", "body"]) and not checks["column"](["a", "a"]) and checks["column"](None)
