"""What tests of the server share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.servers import Client, served
from zoo.serving.dispatcher import Limits
from zoo.serving.model_manager import ModelManager


@pytest.fixture(scope="module")
def server(classifier: Path) -> Iterator[Client]:
    """A client of a server of the digits in this process."""
    host = ModelManager({"digits": classifier}, runtime="saved_model", most=1_000_000)
    with served(host, limits=Limits(request=1_000_000, queue=64)) as client:
        yield client
