"""The layers of a saved model, read without Keras."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def layers_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Class name -> arguments of the layers in the Keras file of a version; empty where it has none."""
    try:
        with zipfile.ZipFile(folder / "model.keras") as file:
            return dict(_configs(json.loads(file.read("config.json"))))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # a version can be served without the Keras file
        return {}


def _configs(config: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(config, list):
        for each in config:
            yield from _configs(each)
    elif isinstance(config, dict):
        if isinstance(config.get("config"), dict):
            yield str(config.get("class_name")), config["config"]
        for each in config.values():
            yield from _configs(each)
