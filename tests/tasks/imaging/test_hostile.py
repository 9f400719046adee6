"""Each hostile file is shown as a second decoder shows it, or rejected with a true reason."""

import re

import numpy as np
import pytest

from tasks.imaging.decode import DecodeLimits, RejectedImage, decode_image
from tests.tasks.imaging.hostile import MAX_BYTES, MAX_PIXELS, HostileFile, hostile_files
from tests.tasks.imaging.samples import shown_by_pillow

# Pillow also warns of the damage that is then rejected.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

LIMITS = DecodeLimits(MAX_BYTES, MAX_PIXELS)
FILES = hostile_files()


def test_there_are_hundreds_of_them_each_with_a_name_of_its_own() -> None:
    assert len({file.name for file in FILES}) == len(FILES) >= 200


@pytest.mark.parametrize("file", FILES, ids=lambda file: ascii(file.name)[1:61])
def test_a_hostile_file_is_shown_rightly_or_rejected_with_a_true_reason(file: HostileFile) -> None:
    try:
        image = decode_image(file.data, LIMITS)
    except RejectedImage as rejection:
        assert file.rejected, f"should be shown, but is rejected: {rejection}"
        assert re.search(file.rejected, str(rejection))
    else:
        assert file.shown, "should be rejected, but is shown"
        expected = shown_by_pillow(file.shown)
        assert image.shape == expected.shape
        assert np.abs(image.astype(int) - expected).mean() < file.tolerance


def test_of_the_damaged_files_some_are_shown_and_some_are_rejected() -> None:
    """So that a decoder that rejects all of them, or none, does not pass."""
    shown = set()
    for file in FILES:
        if file.rejected and file.shown:
            try:
                decode_image(file.data, LIMITS)
            except RejectedImage:
                shown.add(False)
            else:
                shown.add(True)
    assert shown == {True, False}
