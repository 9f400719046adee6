import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.lake.catalogue import Image
from tasks.run_plan import model_id, preprocessing_of, shard_id
from tasks.settings import LimitSettings, PipelineSettings

PIPELINE = PipelineSettings()
PREPROCESSING = preprocessing_of(PIPELINE)
LIMITS = LimitSettings()
IMAGES = st.lists(
    st.builds(
        Image,
        name=st.text("ab/", max_size=4),
        bytes=st.just(1),
        fingerprint=st.text("xy", max_size=2),
    ),
    max_size=4,
)


@given(left=IMAGES, right=IMAGES)
def test_shards_have_one_id_exactly_if_their_images_are_the_same(
    left: list[Image], right: list[Image]
) -> None:
    same = shard_id(left, PREPROCESSING, LIMITS, "") == shard_id(right, PREPROCESSING, LIMITS, "")
    assert same == (left == right)


def test_preparing_otherwise_makes_another_shard() -> None:
    images = [Image(name="a", bytes=1, fingerprint="x")]
    ids = {
        shard_id(images, PREPROCESSING, LIMITS, ""),
        shard_id(images, PREPROCESSING, LIMITS, "salt"),
        shard_id(images, PREPROCESSING, LimitSettings(max_pixels=1), ""),
        shard_id(images, preprocessing_of(PipelineSettings(backbone="ResNet50V2")), LIMITS, ""),
    }
    assert len(ids) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"backbone": "ResNet101"},
        {"weights": "keras"},
        {"weights_sha256": "0" * 64},
        {"precision": "bfloat16"},
        {"precision": "int8"},
    ],
)
def test_another_network_is_another_model(change: dict[str, str]) -> None:
    other = PipelineSettings.model_validate(change)
    assert model_id(other, preprocessing_of(other)) != model_id(PIPELINE, PREPROCESSING)


@pytest.mark.parametrize(
    "change",
    [{"shard_size": 7}, {"index_factory": "Flat"}, {"runtime": "keras"}, {"runtime": "openvino"}],
)
def test_how_the_work_is_done_does_not_make_another_model(change: dict[str, object]) -> None:
    other = PipelineSettings.model_validate(change)
    assert model_id(other, preprocessing_of(other)) == model_id(PIPELINE, PREPROCESSING)
