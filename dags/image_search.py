"""The DAG that answers one search: a query image in, the images most like it out."""

from airflow.sdk import DAG, Param

from image_search_airflow.runner import run_task
from image_search_airflow.settings import Settings

DOC = """
### Find the images of the catalogue that look most like one image

Press **Trigger**, name a query image, and say how many results you want. The search runs against
the latest release of the index, or the one that is pinned, with the model of that release.

| what you get | where |
|---|---|
| names and cosine scores, best first | XCom of the task `search`, also the result of the run |
| the same as a file | in the lake, at the URI `result_json` of that XCom |
| a picture, the query on the left | in the lake, at the URI `result_png` of that XCom |
| on request: the regions that made them similar | over that picture, and at `explanation_json` |

A search changes nothing, and several can run at once. If it fails, the last line of the task's log
says why and what to do: most often there is no release yet (run `image_reindex` first), or the
query image cannot be read.
"""

with DAG(
    "image_search",
    description="Find the images of the catalogue that look most like one image.",
    doc_md=DOC,
    schedule=None,
    catchup=False,
    default_args=Settings().airflow.default_args(),
    tags=["image-search"],
    params={
        "query_image": Param(
            title="Query image",
            description=(
                "The name of an image of the catalogue, for example animals/frog.jpg, "
                "or the URI of an image under one of the allowed prefixes."
            ),
            type="string",
            minLength=1,
        ),
        "top_n": Param(
            5,
            title="Number of results",
            description="How many of the most similar images to return.",
            type="integer",
            minimum=1,
            maximum=1000,
        ),
        "explain": Param(
            False,
            title="Explain",
            description=(
                "Show in the picture which regions made the query and the first ten results "
                "similar. Takes some two seconds a result."
            ),
            type="boolean",
        ),
    },
) as dag:
    search = run_task(
        "search",
        {
            "query": dag.param("query_image"),
            "top_n": dag.param("top_n"),
            "explain": dag.param("explain"),
        },
        doc_md="Embeds the query image and looks it up in the release.",
    )
    dag.add_result(search.output)
