"""What the tests of each low precision share."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.papers import write_paper
from tasks.lake.store import Store
from tasks.model import ModelCard, read_model_card
from tasks.model_probe import store_probe
from tasks.settings import Settings
from tasks.vectorizer.batches import Images
from tests.tasks.pipeline import reindex, save_photo

NAMES = ("chelsea", "coffee", "rocket", "astronaut", "motorcycle_left", "hubble_deep_field")


class Elsewhere:
    """A vectorizer whose vectors are nothing like the network's."""

    dimensions = 2048

    def transform(self, images: Images) -> npt.NDArray[np.float32]:
        rng = np.random.default_rng(0)
        return rng.standard_normal((len(images), self.dimensions), dtype=np.float32)


def make_release(folder: Path, settings: Settings) -> None:
    """Makes a lake of two views of each photograph, and a release of it."""
    for name in NAMES:
        for view in range(2):
            save_photo(folder / "master" / f"{name}_{view}.jpg", name, view)
    reindex(open_store(folder.as_uri()), "first", settings)


def card_of(lake: Store) -> ModelCard:
    (model,) = lake.folders(layout.MODEL)
    return read_model_card(lake, model)


def replace_the_probe(lake: Store) -> None:
    """Makes the model one that was built by a machine with another arithmetic."""
    card = card_of(lake)
    probe = store_probe(lake, card.id, Elsewhere(), card.preprocessing)
    other = card.model_copy(update={"artifacts": card.artifacts | probe})
    write_paper(lake, layout.model(card.id, layout.MODEL_CARD), other.model_dump(mode="json"))
