"""A path is read as what it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.tables import titanic
from zoo import InputError
from zoo.data import open as open_data
from zoo.kinds.recognising import form_of


def test_a_file_is_recognised_by_its_columns(tmp_path: Path) -> None:
    table, review, manifest = tmp_path / "t.csv", tmp_path / "r.csv", tmp_path / "m.csv"
    titanic().to_csv(table, index=False)
    review.write_text("id,review,label\n" + "".join(f"{i},quite a good film {i},{i % 2}\n" for i in range(20)))
    manifest.write_text("path,label\na.png,x\n")
    assert form_of(table) == "table" and form_of(review) == "text" and form_of(manifest) == "images"
    assert form_of(table, {"horizon": 3}) == form_of(table, {"series": "name"}) == "sequence"
    assert form_of(table, {"column": "name"}) == "text"
    with pytest.raises(InputError, match="read as a table, which takes no option 'multi_label'; it takes target, task"):
        open_data(table, multi_label=True)
    with pytest.raises(InputError, match="nowhere does not exist: expected a folder"):
        open_data("nowhere")
    (tmp_path / "t.pdf").write_text("x")
    with pytest.raises(InputError, match="is a file: expected"):
        open_data(tmp_path / "t.pdf")
