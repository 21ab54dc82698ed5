"""What training never had: categories, numbers far outside, words."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data.notes import Note
from zoo.data.unseen import KnownCategories, KnownRange, KnownWords, counted, limits_of, ranges_of, unseen_of, words_of
from zoo.kinds import Tables
from zoo.kinds.registry import kind_class

DAYS = KnownCategories("day", "day", frozenset({"Monday", "Tuesday"}))
AGES = KnownRange("age", "age", 20, 60)


def test_a_category_is_known_or_not_as_text_and_as_bytes() -> None:
    for values in (np.array(["Monday", "Sunday", "Tuesday"], object), [b"Monday", b"Sunday", b"Tuesday"]):
        assert [str(each) for each in DAYS.unseen(values).values()] == [
            "column 'day': a value never seen in training, 'Sunday'"
        ]
        assert list(DAYS.unseen(values)) == [1]
    assert str(DAYS.unseen([""])[0]) == "column 'day': a missing value, which training never had"
    assert not KnownCategories("day", "day", DAYS.categories | {""}).unseen([""])
    many = KnownCategories("code", "code", frozenset(map(str, range(1000))))
    assert "never or seldom seen" in many.unseen(["x"])[0].what  # the rare ones of training are not kept


def test_far_outside_is_beyond_the_range_by_more_than_its_width() -> None:
    values = np.array([-20.1, -20, 20, 40, 100, 100.1, np.nan, np.inf], np.float32)
    assert list(AGES.unseen(values)) == [0, 5, 7]
    assert str(AGES.unseen(values)[5]) == ("column 'age': a number far outside the training range (20 to 60), 100.1")
    assert list(KnownRange("x", "x", 5, 5).unseen(np.array([5, 6]))) == [1]  # training had one number alone
    assert not KnownRange("x", "x", -3e38, 3e38).unseen(np.array([3.4e38], np.float32))


def test_steps_are_judged_feature_by_feature() -> None:
    steps = np.zeros((3, 4, 2), np.float32)
    steps[1, 2] = 7, 500
    steps[2, 3] = np.nan
    first, second = (KnownRange("sequence", name, 0, 10, at) for at, name in enumerate("ab"))
    assert not first.unseen(steps)
    assert {at: each.value for at, each in second.unseen(steps).items()} == {1: "500"}


def test_limits_pass_over_what_is_missing() -> None:
    values = np.array([[1.1, np.nan, 3], [np.nan, np.nan, -2]], np.float32)
    lowest, highest = limits_of(values)
    assert (lowest, highest) == ((1.1, None, -2.0), (1.1, None, 3.0))
    assert [each.column for each in ranges_of([("a", None), ("b", None), ("c", None)], "abc", lowest, highest)] == [
        "a",
        "c",
    ]
    assert not ranges_of([("a", None)], "a", (), ())  # a card of 0.1.0


def test_texts_of_unknown_words() -> None:
    known = KnownWords("text", frozenset({"a", "good", "film", "!"}), 4)
    texts = ["A good film!", "a good quux", "zyx quux a", "Zyx <br/> quux", b"?", "quux zyx wvu tsr a good film !"]
    assert {at: each.what for at, each in known.unseen(texts).items()} == {
        2: "mostly such as the model does not know",
        3: "none that the model knows",
        4: "none that the model knows",
        5: "none that the model knows",  # of the four that it reads
    }
    long = known.unseen(["zyx " * 50])[0].value
    assert len(long) == 42 and long.endswith("...'")


def test_counts_are_by_column_and_way_of_being_new() -> None:
    tensors = {"day": ["Sunday", "Monday", "Saturday"], "age": np.array([1000, 30, -1000], np.float32)}
    unseen = unseen_of([DAYS, AGES, KnownRange("other", "other", 0, 1)], tensors)
    assert {at: len(each) for at, each in unseen.items()} == {0: 2, 2: 2}
    assert counted(unseen.values(), 3, "rows") == [
        Note("column 'day'", "kept", "2 of 3 rows have a value never seen in training, as 'Sunday'"),
        Note("column 'age'", "kept", "2 of 3 rows have a number far outside the training range (20 to 60), as 1000"),
    ]
    assert counted(unseen_of([DAYS], {"day": ["Sunday"]}).values(), 1, "rows") == [
        Note("column 'day'", "kept", "a value never seen in training, 'Sunday'")
    ]
    assert counted(unseen_of([DAYS], {"day": ["", ""]}).values(), 2, "rows")[0].reason == (
        "2 of 2 rows have a missing value, which training never had"
    )


def test_a_card_may_have_ranges() -> None:
    kind = Tables(("age", "fare"), (), lowest=(20, None), highest=(60, None))
    card = kind.to_card()
    assert (card["lowest"], card["highest"]) == ([20, None], [60, None]) and Tables.from_card(card) == kind
    assert [each.column for each in kind.training_values({})] == ["age"]
    assert "lowest" not in Tables(("age",), ()).to_card()
    check = kind_class("table").card_checks(card, True)["lowest?"]
    assert check([1, 2.5]) and check([None, None])
    for damaged in ([1], [1, "2"], [1, True], [1, float("nan")], {"age": 1}, None):
        assert not check(damaged)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*"aBzéß!?'’‘.,-_ \t\n0٣😀中", "<br/>", "<BR >", "don't", "''", "e\u0301"])))
def test_words_are_those_of_the_preprocessing(pieces: list[str]) -> None:
    from zoo.builders.preprocessing import spaced_words

    text = "".join(pieces)
    assert words_of(text) == spaced_words([text]).numpy()[0].decode().split()
