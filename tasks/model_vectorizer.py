"""A vectorizer made from a model of the lake on this machine."""

from pathlib import Path

from tasks.lake.store import Store
from tasks.model import ModelCard, local_form
from tasks.model_probe import require_same_arithmetic
from tasks.settings import Settings
from tasks.vectorizer.runtimes import Runtime
from tasks.vectorizer.vectorizer import Vectorizer, load_vectorizer


def open_vectorizer(  # pylint: disable=too-many-arguments  # a model, and how to compute it
    lake: Store,
    card: ModelCard,
    runtime: Runtime,
    settings: Settings,
    *,
    few: bool = False,
    probed: bool = True,
    form: Path | None = None,
) -> Vectorizer:
    """Loads a model from the lake.

    Args:
        lake: the data lake.
        card: of the model.
        runtime: what computes it.
        settings: threads and cache of this machine.
        few: it is for a few images, see `load_vectorizer`.
        probed: compare what this machine computes in low precision with what the builder's did;
            float32 is the same everywhere.
        form: file to compute it from, if it has been compared with the card already.

    Raises:
        DamagedError: the stored model is not what its card says.
        UserError: this machine's arithmetic is another, or the runtime is not installed.
    """
    path = form or local_form(lake, card, runtime, settings)
    bfloat16 = card.precision == "bfloat16"
    vectorizer = load_vectorizer(
        runtime, path, settings.threads or None, few=few, bfloat16=bfloat16
    )
    if probed and card.precision != "float32":
        require_same_arithmetic(lake, card.artifacts, card.probe_cosine, vectorizer)
    return vectorizer
