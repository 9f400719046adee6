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
        candidates: How many of the most similar images are ranked by more than their own
            similarity; 0 leaves the order to the similarity.
        neighbours: How many of the other candidates speak for each of them.
        query_neighbours: How many candidates speak for the query.
        power: A neighbour speaks with its similarity to this power.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    centre: bool = True
    candidates: int = pydantic.Field(150, ge=0, le=1000)
    neighbours: int = pydantic.Field(10, ge=1, le=1000)
    query_neighbours: int = pydantic.Field(3, ge=0, le=1000)
    power: float = pydantic.Field(2.0, gt=0, le=100)


# That of the original: by the cosine of the vectors as they are.
PLAIN = Ranking(centre=False, candidates=0)
