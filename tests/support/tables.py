"""Tables that are made up."""

from __future__ import annotations

import numpy as np
import pandas as pd


def titanic(rows: int = 200, seed: int = 0) -> pd.DataFrame:
    """Numbers and strings, missing cells, and columns that tell nothing."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "passenger_id": np.arange(1, rows + 1),
            "survived": rng.integers(0, 2, rows),
            "class": rng.integers(1, 4, rows),
            "sex": rng.choice(["female", "male"], rows),
            "age": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(30, 10, rows).round(1)),
            "fare": rng.lognormal(3, 1, rows).round(2),
            "port": np.where(rng.random(rows) < 0.1, None, rng.choice(["S", "C", "Q"], rows)),
            "alone": rng.choice([True, False], rows),
            "ship": "Titanic",
            "nothing": np.nan,
            "name": [f"Passenger, Mr. {index}" for index in range(rows)],
        }
    )
