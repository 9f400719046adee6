from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.errors import UserError
from tasks.settings import DEFAULT_CONFIG, Settings, load_settings


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "settings.toml"
    monkeypatch.setenv("IMAGE_SEARCH_CONFIG", str(path))
    return path


def test_the_settings_of_the_repository_are_the_documented_defaults() -> None:
    assert DEFAULT_CONFIG.is_file()
    settings = load_settings()
    assert (settings.pipeline.backbone, settings.pipeline.runtime) == ("ResNet50", "auto")
    # What the file says is what the code falls back to.
    assert settings.pipeline == type(settings.pipeline)()
    assert settings.limits == type(settings.limits)()
    assert settings.retention == type(settings.retention)()


def test_the_environment_wins_over_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text('lake = "file:///a"\n[pipeline]\nshard_size = 7\n')
    monkeypatch.setenv("IMAGE_SEARCH_LAKE", "file:///b")
    monkeypatch.setenv("IMAGE_SEARCH_RETENTION__RELEASES", "9")
    settings = load_settings()
    assert settings.lake == "file:///b"
    assert (settings.pipeline.shard_size, settings.retention.releases) == (7, 9)


def test_a_list_is_given_in_the_environment_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_QUERY_PREFIXES", '["/a", "s3://b"]')
    assert load_settings().query_prefixes == ("/a", "s3://b")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[pipeline]\nshard_sise = 7", "pipeline.shard_sise"),
        ("[pipeline]\nshard_size = 0", "pipeline.shard_size"),
        ('[pipeline]\nruntime = "torch"', "pipeline.runtime"),
        ("lake = ", "not valid TOML"),
    ],
)
def test_a_wrong_setting_is_named(config: Path, text: str, complaint: str) -> None:
    config.write_text(text)
    with pytest.raises(UserError, match=complaint):
        load_settings()


def test_a_config_that_does_not_exist_is_an_error(config: Path) -> None:
    with pytest.raises(UserError, match=r"settings\.toml, which does not exist"):
        load_settings()


def test_the_section_of_airflow_is_left_to_airflow(config: Path) -> None:
    config.write_text('[airflow]\nanything = "goes"\n')
    load_settings()


def test_a_list_that_is_no_json_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_QUERY_PREFIXES", "/data")
    with pytest.raises(UserError, match=r"query_prefixes.*given as JSON"):
        load_settings()


@pytest.mark.parametrize(
    "uri",
    [
        "https://bot:hunter2@weights.lab/resnet.weights.h5",
        "https://weights.lab/resnet.weights.h5?X-Amz-Signature=hunter2",
        "https://weights.lab/resnet.weights.h5?sv=1&sig=hunter2",
        "simplecache::https://hunter2@weights.lab/resnet.weights.h5",
    ],
)
def test_weights_behind_a_secret_are_refused_without_telling_it(
    monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_PIPELINE__WEIGHTS", uri)
    with pytest.raises(UserError, match="holds a password, a token or a signature") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("weights", ["imagenet", "s3://bucket/a b.h5", "https://lab/w.h5?v=2"])
def test_other_weights_are_taken(monkeypatch: pytest.MonkeyPatch, weights: str) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_PIPELINE__WEIGHTS", weights)
    assert load_settings().pipeline.weights == weights


@pytest.mark.parametrize("setting", ["LAKE", "CATALOGUE", "QUERY_PREFIXES"])
def test_a_root_behind_a_secret_is_refused_without_telling_it(
    monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    uri = "s3://KEY:hunter2@bucket/photos"
    value = f'["/data", "{uri}"]' if setting == "QUERY_PREFIXES" else uri
    monkeypatch.setenv(f"IMAGE_SEARCH_{setting}", value)
    with pytest.raises(UserError, match="holds a password, a token or a signature") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("where", ["lake", "weights"])
def test_settings_that_are_refused_are_not_repeated(where: str) -> None:
    uri = "s3://KEY:hunter2@bucket/a.h5"
    given = {"lake": uri} if where == "lake" else {"pipeline": {"weights": uri}}
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(given)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "ranking",
    [
        {"neighbours": 10**20},
        {"averaged": 10**20},
        {"cosine_weight": float("inf")},
        {"averaged": 0},
    ],
)
def test_a_ranking_that_no_search_could_compute_is_refused(ranking: dict[str, float]) -> None:
    with pytest.raises(UserError, match=r"pipeline\.ranking"):
        load_settings(pipeline={"ranking": ranking})


def test_a_key_in_the_uri_of_the_labels_is_refused() -> None:
    with pytest.raises(UserError, match="the URI holds a password") as caught:
        load_settings(gate={"labels": "https://me:geheim@host/labels.csv"})
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["", "9a", "a-b", "größe", "a" * 101])
def test_names_of_collections_are_those_that_milvus_takes(prefix: str) -> None:
    with pytest.raises(UserError, match=r"vector_database\.prefix"):
        load_settings(vector_database={"prefix": prefix})


def test_a_name_of_a_hundred_letters_will_do() -> None:
    settings = load_settings(vector_database={"prefix": "_" + "a9" * 49 + "Z"})
    assert len(settings.vector_database.prefix) == 100
