"""What tests of pretrained models share."""

import sys

import pytest


@pytest.fixture
def seeded():
    """Weights at random are the same in each test: in some draws they hide a difference."""
    if "keras" in sys.modules:
        import keras

        keras.utils.set_random_seed(0)
