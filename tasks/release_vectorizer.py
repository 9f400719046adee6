"""The one way of a release from pictures to vectors: its preprocessing, its model."""

from concurrent.futures import Future

import numpy as np
import numpy.typing as npt

from tasks.imaging.canvas import Image
from tasks.imaging.network_input import preprocess_input, resized_rgb
from tasks.imaging.preprocessing import Preprocessing
from tasks.lake.manifest import Manifest
from tasks.lake.store import Store
from tasks.model import SoundForm, release_form, usual_runtime
from tasks.model_vectorizer import open_vectorizer
from tasks.settings import Settings
from tasks.vectorizer.batches import embed_views
from tasks.vectorizer.vectorizer import Vectorizer


class ReleaseVectorizer:
    """Embeds pictures as the catalogue was. The model is loaded for the first one.

    Args:
        lake: the data lake.
        release: whose preprocessing and model.
        settings: threads and cache of this machine.
        few: the model is to start soon, for few pictures, not to be fast for many.
        form: `release_form`, if that is on its way.
    """

    def __init__(
        self,
        lake: Store,
        release: Manifest,
        settings: Settings,
        *,
        few: bool,
        form: Future[SoundForm] | None = None,
    ) -> None:
        self.preprocessing = Preprocessing.model_validate(release.preprocessing)
        self._lake, self._model, self._settings, self._few = lake, release.model, settings, few
        self._vectorizer: Vectorizer | None = None
        self._form = form

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
            self._vectorizer = self._load()
        batch = preprocess_input(np.stack(images), self.preprocessing.mode)
        return embed_views(self._vectorizer.transform, batch, self.preprocessing.views)

    def _load(self) -> Vectorizer:
        card, path = (
            self._form.result()
            if self._form
            else release_form(self._lake, self._model, self._settings)
        )
        runtime = usual_runtime(card)
        return open_vectorizer(self._lake, card, runtime, self._settings, few=self._few, form=path)
