from typing import get_args

import numpy as np
import pytest

from benchmarks.matrix_product import Precision, matrix_product, operands

SIDE = 96


@pytest.mark.parametrize("precision", get_args(Precision))
def test_a_product_is_that_of_its_operands(precision: Precision) -> None:
    left, right = (matrix.astype(np.float64) for matrix in operands(precision, SIDE))
    product = matrix_product(precision, SIDE)()
    assert np.abs(product - left @ right).max() <= (0 if precision == "int8" else 1e-4)


def test_bytes_are_multiplied_as_bytes() -> None:
    assert [matrix.dtype for matrix in operands("int8", 4)] == [np.uint8, np.int8]
