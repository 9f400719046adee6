import pytest

from benchmarks.scale.growth import exponent, table
from benchmarks.scale.measure import Point


def points(*, quantity: str, values: dict[int, float]) -> list[Point]:
    place = {"task": "plan", "night": "first", "dimensions": 2048}
    others = dict.fromkeys(
        ("seconds", "cpu_seconds", "memory_bytes", "bytes_read", "bytes_written", "requests"), 1.0
    )
    return [{**place, **others, "images": at, quantity: value} for at, value in values.items()]


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_is_the_power_that_points_grow_with(power: float) -> None:
    made = points(quantity="seconds", values={10**it: 3.0 * 10 ** (it * power) for it in (3, 4, 6)})
    assert exponent(made, "seconds") == pytest.approx(power)


def test_what_only_starting_takes_has_no_exponent() -> None:
    assert exponent(points(quantity="seconds", values={100: 0.1, 1000: 0.4}), "seconds") is None
    assert exponent(points(quantity="seconds", values={100: 9.0}), "seconds") is None


def test_the_table_has_a_line_a_point_and_one_for_the_growth() -> None:
    made = points(quantity="seconds", values={1000: 10.0, 10_000: 100.0})
    *_, first, second, growth = table(made).splitlines()
    assert first.startswith("| `plan` | first | 1,000 | 10 ")
    assert second.startswith("| `plan` | first | 10,000 | 100 ")
    assert growth.startswith("| | | grows with | **1.00** |")
