import inspect

import pytest

from tasks.errors import UserError
from tasks.vectorizer.backbones import BACKBONES, Backbone, get_backbone


def test_resnet50_is_as_the_original_describes_it() -> None:
    backbone = get_backbone("ResNet50")
    assert backbone.input_shape == (224, 224, 3)
    assert (backbone.feature_layer, backbone.dimensions) == ("avg_pool", 2048)
    assert backbone.preprocessing == "caffe"


def test_an_unknown_backbone_is_told_the_known_ones() -> None:
    with pytest.raises(UserError, match="unknown backbone 'ResNet51'; choose one of ResNet50"):
        get_backbone("ResNet51")


@pytest.mark.parametrize("backbone", BACKBONES.values(), ids=str)
def test_every_backbone_is_as_keras_has_it(backbone: Backbone) -> None:
    from tasks.vectorizer.keras_vectorizer import build_network, feature_extractor
    from tasks.vectorizer.quiet_keras import keras

    extractor = feature_extractor(build_network(backbone), backbone)
    assert extractor.input.shape == (None, *backbone.input_shape)
    assert extractor.output.shape == (None, backbone.dimensions)
    module = inspect.getmodule(getattr(keras.applications, backbone.name))
    source = inspect.getsource(module.preprocess_input)
    does = "return x\n" if backbone.preprocessing == "raw" else f'mode="{backbone.preprocessing}"'
    assert does in source


def test_layers_have_the_same_names_whatever_was_built_before() -> None:
    from tasks.vectorizer.keras_vectorizer import build_network

    backbone = get_backbone("MobileNetV3Large")
    names = [[layer.name for layer in build_network(backbone).layers] for _ in range(2)]
    assert names[0] == names[1]
