from pathlib import Path

import pytest

from benchmarks.scale.growth import read_points, table
from benchmarks.scale.s3_requests import S3_POINTS
from benchmarks.scale.s3_requests import table as s3_table

SCALING = Path(__file__).parents[3] / "docs" / "scaling.md"


@pytest.mark.parametrize("dimensions", [2048, 512])
def test_the_table_in_the_documentation_is_that_of_the_points(dimensions: int) -> None:
    assert table(read_points(), dimensions) in SCALING.read_text(encoding="utf-8")


def test_the_table_of_the_s3_server_is_that_of_its_points() -> None:
    expected = s3_table(read_points(S3_POINTS), read_points())
    assert expected in SCALING.read_text(encoding="utf-8")
