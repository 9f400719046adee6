"""The DAG that brings the index up to date with the catalogue: every night, or on Trigger."""

from datetime import timedelta
from typing import Any

from airflow.sdk import (
    DAG,
    Asset,
    CronTriggerTimetable,
    Param,
    TriggerRule,
    chain,
    task,
    task_group,
)
from airflow.sdk.exceptions import AirflowSkipException

from image_search_airflow.runner import run_task
from image_search_airflow.settings import Settings

DOC = """
### Bring the image index up to date with the catalogue

Every night, and whenever someone presses **Trigger**: find out which images were added, changed,
renamed or removed since the latest release, turn the new ones into vectors, and publish the next
release. Searches go on undisturbed meanwhile, and see the new release once it is complete.

| task | what it does |
|---|---|
| `plan` | compares the catalogue with the latest release, cuts what is new into shards |
| `changed_shards` | ends the run here if nothing changed, else hands the shards on |
| `build_model` | makes the model that turns images into vectors, unless the lake has it |
| `shards.etl` | once a shard: fetches the images, decodes and resizes them |
| `shards.feature_engineering` | once a shard: prepares them for the model |
| `shards.vectorize` | once a shard: turns them into vectors |
| `publish` | joins old and new vectors, builds and checks the index, makes the next release |
| `evaluate` | compares the release with the one in use; lets search use it, or holds it back |
| `load` | where a vector database is set: brings it to the release that search uses |
| `prune` | deletes what no kept release needs |
| `summary` | says in plain words what the run did; also the result of the run |

- **Nothing changed**: the run is green, and all between `plan` and `summary` is skipped.
- **Images only went away or were renamed**: the shards are skipped, and there is a new release.
- **The release answers worse** than the one in use: `evaluate` fails and says by how much, and
  search stays on the old one. `releases --accept N` lets search use it all the same.
  So does each later run, until it answers well enough.
- **An image cannot be read**: it is left out, and the XCom of `publish` lists it with the reason.
- **A task fails**: it is tried again, after a pause that doubles each time. The last line of its
  log is the reason. Once that is put right, clear the failed task: what is already done is found
  in the lake and not done again.
"""

SETTINGS = Settings()
RELEASE = Asset("image_search_release")

# The JSON object that a task printed. While the DAG is laid out it is still an XComArg.
Printed = Any


def nightly() -> CronTriggerTimetable | None:
    """Returns the schedule of the settings; nothing runs before its next time comes."""
    if not SETTINGS.airflow.schedule:
        return None
    # Else Airflow makes up for a time just missed, and would reindex right after installation.
    return CronTriggerTimetable(
        SETTINGS.airflow.schedule, timezone="UTC", run_immediately=timedelta(0)
    )


@task
def changed_shards(planned: Printed) -> list[dict[str, str]]:
    """Lets the run go on if something changed, and names the shards to work on, if any."""
    if not planned["anything_to_do"]:
        raise AirflowSkipException(f"nothing changed: {planned['unchanged']} images are up to date")
    return [
        {"shard": shard["shard"], "label": f"{shard['shard']} · {shard['images']} images"}
        for shard in planned["shards"]
    ]


@task(trigger_rule=TriggerRule.NONE_FAILED)
def summary(planned: Printed, published: Printed | None) -> str:
    """Says in plain words what the run did."""
    if published is None:
        return f"Nothing changed: all {planned['unchanged']} images are up to date."
    if planned.get("model_to_build") and published.get("already_complete"):
        return f"The model was built again; release {published['version']} stands."
    if planned.get("held") and published.get("already_complete"):
        return f"Nothing changed; search now uses release {published['version']}, held back before."
    changes = ", ".join(
        f"{published[kind]} {kind}"
        for kind in ("added", "changed", "renamed", "removed", "rejected")
    )
    return f"Release {published['version']} has {published['images']} images: {changes}."


with DAG(
    "image_reindex",
    description="Bring the image index up to date with the catalogue.",
    doc_md=DOC,
    schedule=nightly(),
    catchup=False,
    max_active_runs=1,
    default_args=SETTINGS.airflow.default_args(),
    tags=["image-search"],
    params={
        "full_rebuild": Param(
            False,
            title="Full rebuild",
            description="Embed every image again, also those that did not change.",
            type="boolean",
        ),
        "catalogue": Param(
            None,
            title="Catalogue folder",
            description=(
                "Only look for changes under this folder of the catalogue, for example animals/; "
                "everything else stays as it is. Empty for the whole catalogue."
            ),
            type=["null", "string"],
        ),
    },
) as dag:
    plan = run_task(
        "plan",
        {"full_rebuild": dag.param("full_rebuild"), "prefix": dag.param("catalogue")},
        doc_md="Finds out what changed since the latest release and pins the settings of this run.",
    )
    build_model = run_task("build_model", doc_md="Makes the model, unless the lake has it.")
    publish = run_task(
        "publish",
        {"held": True},
        doc_md="Makes the next release and checks it; search does not use it yet.",
        # Without new images the shards are skipped, and there is a release to publish all the same.
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
    )
    evaluate = run_task(
        "evaluate",
        {"gate": True},
        doc_md="Lets search use the release, unless it answers worse than the one in use.",
        outlets=[RELEASE],
    )
    prune = run_task("prune", doc_md="Deletes what no kept release needs.")

    @task_group(
        default_args={
            "map_index_template": "{{ task.map_label }}",
            "max_active_tis_per_dagrun": SETTINGS.airflow.max_parallel_shards,
        }
    )
    def shards(shard: str, label: str) -> None:
        """Turns the images of one shard into vectors."""
        etl = run_task("etl", {"shard": shard}, map_label=label)
        feature_engineering = run_task("feature_engineering", {"shard": shard}, map_label=label)
        vectorize = run_task("vectorize", {"shard": shard}, map_label=label)
        chain(etl, feature_engineering, vectorize)
        chain(build_model, vectorize)

    todo = changed_shards(plan.output)
    chain(todo, build_model, publish)
    chain(shards.expand_kwargs(todo), publish)
    accepted = evaluate
    if SETTINGS.vector_database.uri:
        accepted = run_task("load", doc_md="Brings the vector database to that release.")
        chain(evaluate, accepted)
    chain(publish, evaluate)
    chain(accepted, prune, dag.add_result(summary(plan.output, publish.output)))
