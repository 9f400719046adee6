"""The one way of a release from pictures to vectors: its preprocessing, its model."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from tasks.imaging.canvas import Image
from tasks.imaging.preprocessing import Preprocessing, preprocess_input, resized_rgb
from tasks.lake.manifest import Manifest
from tasks.lake.store import Store
from tasks.model import card_of_release, open_vectorizer, usual_runtime
from tasks.settings import Settings
from tasks.vectorizer.batches import embed_views
from tasks.vectorizer.vectorizer import Vectorizer


class ReleaseVectorizer:
    """Embeds pictures as the catalogue was. The model is loaded for the first picture, or sooner.

    Args:
        lake: the data lake.
        release: whose preprocessing and model.
        settings: threads and cache of this machine.
        few: the model is to start soon, for few pictures, not to be fast for many.
    """

    def __init__(self, lake: Store, release: Manifest, settings: Settings, *, few: bool) -> None:
        self.preprocessing = Preprocessing.model_validate(release.preprocessing)
        self._lake, self._model, self._settings, self._few = lake, release.model, settings, few
        self._vectorizer: Vectorizer | None = None
        self._loading: Future[Vectorizer] | None = None

    def load_soon(self) -> None:
        """Begins to load the model beside what else the process does.

        What goes wrong is told to who needs the model. Most of it is comparing its files with their
        digests, during which Python does other things.
        """
        pool = ThreadPoolExecutor(1)
        self._loading = pool.submit(self._load)
        pool.shutdown(wait=False)

    def of_pictures(self, images: list[Image]) -> npt.NDArray[np.float32]:
        """Returns (n, d) float32, row i for image i.

        Args:
            images: each (h, w, 3) uint8, BGR.

        Raises:
            DamagedError: the model is missing or damaged.
        """
        return self.of_resized([resized_rgb(image, self.preprocessing) for image in images])

    def of_resized(self, images: list[Image]) -> npt.NDArray[np.float32]:
        """Returns (n, d) float32, row i for image i.

        Args:
            images: each of the shape of `preprocessing`, uint8, RGB.

        Raises:
            DamagedError: the model is missing or damaged.
            UserError: this machine cannot compute it.
        """
        if self._vectorizer is None:
            self._vectorizer = self._loading.result() if self._loading else self._load()
        batch = preprocess_input(np.stack(images), self.preprocessing.mode)
        return embed_views(self._vectorizer.transform, batch, self.preprocessing.views)

    def _load(self) -> Vectorizer:
        card = card_of_release(self._lake, self._model)
        return open_vectorizer(self._lake, card, usual_runtime(card), self._settings, few=self._few)
