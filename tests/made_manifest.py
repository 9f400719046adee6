"""Manifests of releases that tests make without a run."""

from typing import Any

from tasks.lake import layout
from tasks.lake.manifest import Counts, Manifest
from tasks.lake.papers import write_paper
from tasks.lake.store import Store


def made_manifest(version: int, images: int = 1, **fields: Any) -> Manifest:
    """Returns the manifest of a release with the given fields, and with any others."""
    made: dict[str, Any] = {
        "version": version,
        "previous": version - 1 or None,
        "created": "2026-01-31T02:00:00+00:00",
        "run": "r",
        "catalogue": "",
        "prefix": "",
        "full_rebuild": False,
        "look": version,
        "counts": Counts(images=images, rejected=0, added=0, changed=0, renamed=0, removed=0),
        "rejections": [],
        "pipeline": {},
        "preprocessing": {},
        "limits": {},
        "model": {"id": "m"},
        "checks": {},
        "artifacts": {},
    }
    return Manifest(**{**made, **fields})


def store_manifest(lake: Store, manifest: Manifest) -> None:
    """Makes a release visible, as if it had been committed."""
    path = layout.release(manifest.version, layout.MANIFEST)
    write_paper(lake, path, manifest.model_dump(mode="json"))
