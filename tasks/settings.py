"""Typed settings: `config/settings.toml`, overridden by environment variables `IMAGE_SEARCH_…`.

`PipelineSettings` and `LimitSettings` are pinned in the plan of a run and in the manifest of a
release; whatever comes after the plan reads them there and never from here.
"""

import os
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from tasks.errors import UserError
from tasks.index.ranking import Ranking
from tasks.uris import require_no_secret
from tasks.vectorizer.network import Network
from tasks.vectorizer.runtimes import RUNTIMES, Precision, Runtime

DEFAULT_CONFIG = Path(__file__).parent.parent / "config" / "settings.toml"


class PipelineSettings(BaseModel):
    """How images become vectors, and vectors an index. Pinned for a run and its release."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    backbone: str = Field("ResNet50", description="A keras.applications network; see the README.")
    weights: str = Field(
        "imagenet", description="imagenet, keras, npm, or the URI of a weights file."
    )
    weights_sha256: str = Field("", description="Expected SHA-256 of the file `weights` names.")
    network: Network = Field(Network(), description="A network of one's own in place of both.")
    precision: Precision = Field(
        "float32",
        description="Of the arithmetic; the others are some times faster, see docs/results.md.",
    )
    calibration: int = Field(
        0, ge=0, description="Which pictures int8 is calibrated on: another number, another model."
    )
    runtime: Literal["auto"] | Runtime = Field(
        "auto",
        description="What `vectorize` computes with; auto: ONNX Runtime, bfloat16: OpenVINO.",
    )
    resize: Literal["stretch", "letterbox", "center_crop", "multi_crop"] = Field(
        "stretch", description="How an image gets to the network's input size."
    )
    interpolation: Literal["area", "bilinear", "bicubic"] = Field(
        "area", description="How it is scaled on the way."
    )
    index_factory: str = Field("RaBitQfs", description="FAISS factory string of the index.")
    ranking: Ranking = Ranking()
    shard_size: int = Field(500, ge=1, le=10_000, description="Images a shard, at most.")
    max_shards: int = Field(500, ge=1, description="Larger catalogues get larger shards.")

    _weights_hold_no_secret = field_validator("weights")(require_no_secret)

    @model_validator(mode="after")
    def _network_can_be_had_and_run(self) -> Self:
        require_no_secret(self.network.file)
        if self.network.file.endswith(".onnx") and self.runtime == "keras":
            raise ValueError("Keras does not run an .onnx network; set runtime to onnx")
        if self.runtime not in ("auto", *RUNTIMES[self.precision]):
            raise ValueError(
                f"runtime {self.runtime} does not compute in {self.precision}; set runtime to auto"
            )
        return self


class LimitSettings(BaseModel):
    """What an image may cost before it is put aside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: int = Field(64 * 2**20, ge=1, description="Largest file, in bytes.")
    max_pixels: int = Field(100_000_000, ge=1, description="Largest picture, width times height.")


class GateSettings(BaseModel):
    """When a new release is held back from search."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: str = Field("", description="folders, folders:N, or URI of a CSV file: name,label.")
    largest_drop: float = Field(
        0.02, ge=0, description="Of the mean average precision, with labels."
    )
    largest_drift: float = Field(
        0.3, ge=0, le=1, description="Share of neighbours of unchanged images, without labels."
    )

    _labels_hold_no_secret = field_validator("labels")(require_no_secret)


class RetentionSettings(BaseModel):
    """What `prune` leaves in the lake."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    releases: int = Field(
        5, ge=1, description="Newest releases that stay; a pinned one always does."
    )
    superseded_days: float = Field(
        1, ge=0, description="Days any release stays after a newer one, as it may be in use."
    )
    feature_store_days: float = Field(
        0, ge=0, description="Days a published shard's features stay."
    )
    landing_days: float = Field(
        7, ge=0, description="Days a published shard's images and vectors stay."
    )
    runs_days: float = Field(30, ge=0, description="Days the papers of a finished run stay.")
    thumbnails_days: float = Field(
        30, ge=0, description="Days a thumbnail stays; the next one who looks makes it again."
    )
    abandoned_days: float = Field(
        3,
        ge=0,
        description="Days after which an unfinished run is given up and its shards with it.",
    )


class PageSettings(BaseModel):
    """What the worker behind the Image Search page may cost. The rest is for the web server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: tuple[str, ...] = Field((), description="How the web server starts the worker.")
    idle_minutes: float = Field(10, gt=0, description="After which the web server ends it.")
    upload_max_bytes: int = Field(16 * 2**20, ge=1, description="Largest upload, in bytes.")
    upload_max_pixels: int = Field(50_000_000, ge=1, description="Largest picture uploaded.")


class VectorDatabaseSettings(BaseModel):
    """Where releases are loaded into and searched, if not in their files. The token is not here."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    uri: str = Field("", description="Milvus: http(s)://host:port, or a path that ends in .db.")
    # Not `\w{0,99}`: all letters of Unicode, a hundred times over, took a tenth of every start.
    prefix: str = Field(
        "image_search",
        pattern=r"^[A-Za-z_][0-9A-Za-z_]*$",
        max_length=100,
        description="Of its collections' names.",
    )
    index_type: str = Field("", description="Of Milvus; default FLAT in a file, else AUTOINDEX.")
    index_params: dict[str, Any] = Field({}, description="Of that type of index.")
    search_params: dict[str, Any] = Field({}, description="Of each search in it.")

    @field_validator("uri")
    @classmethod
    def _is_a_server_or_a_file(cls, uri: str) -> str:
        if uri and not (uri.startswith(("http://", "https://")) or uri.endswith(".db")):
            raise ValueError("give http://host:port, https://host:port, or a path ending in .db")
        return require_no_secret(uri)


class ServiceSettings(BaseModel):
    """What the HTTP service may cost. Who asks past it is told to come again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_once: int = Field(2, ge=1, description="Searches computed at once.")
    waiting: int = Field(8, ge=0, description="Searches that may wait; more are refused.")
    most_results: int = Field(100, ge=1, description="Images an answer holds, at most.")
    upload_max_bytes: int = Field(16 * 2**20, ge=1, description="Largest picture sent, in bytes.")
    upload_max_pixels: int = Field(50_000_000, ge=1, description="Largest picture sent.")
    upload_seconds: float = Field(10, gt=0, description="In which a picture must have come.")
    look_seconds: float = Field(5, gt=0, description="Between looks for a new release.")


class Settings(BaseSettings):
    """Everything that can be set. `[airflow]` belongs to the Airflow side and is not read here."""

    model_config = SettingsConfigDict(
        env_prefix="IMAGE_SEARCH_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    lake: str = Field("", description="Root of the lake: file:///path or s3://bucket/prefix.")
    catalogue: str = Field("", description="Where the original images are; default <lake>/master.")
    query_prefixes: tuple[str, ...] = Field((), description="Where query images may come from.")
    cache: Path = Field(
        Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "image-search",
        description="Folder for what is fetched once: weights, models and indexes.",
    )
    cache_bytes: int = Field(
        20 * 2**30, ge=0, description="Models and indexes fetched that stay there, in bytes."
    )
    threads: int = Field(0, ge=0, description="Threads a task computes with; 0 is all cores.")
    device: Literal["cpu", "cuda"] = Field("cpu", description="What `vectorize` computes on.")
    pipeline: PipelineSettings = PipelineSettings()
    limits: LimitSettings = LimitSettings()
    gate: GateSettings = GateSettings()
    retention: RetentionSettings = RetentionSettings()
    page: PageSettings = PageSettings()
    vector_database: VectorDatabaseSettings = VectorDatabaseSettings()
    service: ServiceSettings = ServiceSettings()
    airflow: dict[str, Any] = Field(default_factory=dict, exclude=True)
    config: str = Field("", exclude=True, description="IMAGE_SEARCH_CONFIG: another settings file.")

    _roots_hold_no_secret = field_validator("lake", "catalogue")(require_no_secret)

    @field_validator("query_prefixes")
    @classmethod
    def _prefixes_hold_no_secret(cls, prefixes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(require_no_secret, prefixes))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, the environment over the file."""
        file = TomlConfigSettingsSource(settings_cls, toml_file=config_file())
        return init_settings, env_settings, file


def config_file() -> Path:
    """Returns the settings file in force: `IMAGE_SEARCH_CONFIG`, or the one of the repository."""
    return Path(os.environ.get("IMAGE_SEARCH_CONFIG") or DEFAULT_CONFIG)


def load_settings(**overrides: Any) -> Settings:
    """Reads the settings.

    Args:
        **overrides: values that win over environment and file.

    Raises:
        UserError: the file is missing or malformed, or a value or a name is wrong.
    """
    path = config_file()
    if os.environ.get("IMAGE_SEARCH_CONFIG") and not path.is_file():
        raise UserError(f"IMAGE_SEARCH_CONFIG names {path}, which does not exist; correct the path")
    try:
        return Settings(**overrides)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not valid TOML: {error}") from error
    except SettingsError as error:
        raise UserError(f"{error}; lists and sections are given as JSON") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
        raise UserError(f"wrong setting in {path} or IMAGE_SEARCH_…: {problems}") from error
