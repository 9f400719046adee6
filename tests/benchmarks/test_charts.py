from benchmarks.charts import draw
from benchmarks.figures import Chart, Point

POINTS = [
    Point(Chart.RECALL, "ours", 4.5, 1.0),
    Point(Chart.RECALL, "FAISS flat", 69.0, 1.0),
    Point(Chart.CORES, "float32", 1, 12.5),
    Point(Chart.CORES, "float32", 2, 24.0),
    Point(Chart.STAGES, "full rebuild", "etl", 20.0),
    Point(Chart.STAGES, "full rebuild", "vectorize", 400.0),
    Point(Chart.STAGES, "1 % changed", "vectorize", 4.0),
]


def test_each_chart_that_has_points_is_drawn() -> None:
    drawings = draw(POINTS)
    assert list(drawings) == [Chart.RECALL, Chart.CORES, Chart.STAGES]
    assert all(drawing.startswith("<svg") for drawing in drawings.values())


def test_without_points_nothing_is_drawn() -> None:
    assert not draw([])


def test_equal_points_give_equal_bytes_and_small_ones() -> None:
    drawings = draw(POINTS)
    assert draw(POINTS) == drawings
    assert all(len(drawing) < 60_000 for drawing in drawings.values())
