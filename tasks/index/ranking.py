"""How a release ranks what it finds: settings, pinned in its manifest like the model.

Nothing of it depends on how a release came about, so an incremental release ranks as a full rebuild
does.
"""

import pydantic


class Ranking(pydantic.BaseModel):
    """How the images of a release are ranked against a query; pinned in its manifest.

    Attributes:
        centre: Subtract from each vector, scaled to unit length, the mean of the catalogue's: what
            all images have in common tells none from another.
        candidates: How many of the most similar images are ranked by the neighbours that they share
            with the query; 0 leaves the order to the similarity.
        neighbours: How many of the candidates most similar to each may be its reciprocal
            neighbours; k1 of the method (`tasks.index.rerank`).
        averaged: Over how many of the most similar, itself the first, each one's neighbours are
            averaged; k2 of the method.
        cosine_weight: Of the similarity itself beside that of neighbours; lambda of the method.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    centre: bool = True
    candidates: int = pydantic.Field(180, ge=0, le=1000)
    neighbours: int = pydantic.Field(20, ge=1, le=1000)
    averaged: int = pydantic.Field(3, ge=1, le=1000)
    cosine_weight: float = pydantic.Field(0.2, ge=0, le=1)


# That of the original: by the cosine of the vectors as they are.
PLAIN = Ranking(centre=False, candidates=0)
