import pytest

from benchmarks.profiles import slowest_imports


def test_imports_are_summed_up_by_package() -> None:
    report = """import time: self [us] | cumulative | imported package
import time:       100 |        100 |   numpy.version
import time:       300 |        400 | numpy
import time:       250 |        250 | cv2
another line"""
    assert dict(slowest_imports(report)) == pytest.approx({"numpy": 4e-4, "cv2": 2.5e-4})
    assert slowest_imports(report)[0][0] == "numpy"
