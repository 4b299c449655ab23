"""Pictures to learn from."""

import pytest

from made_pictures import colourful, encode


@pytest.fixture(scope="session")
def encoded() -> list[bytes]:
    return [encode(colourful(number)) for number in range(10)]
