"""The search service on Kubernetes: by the schemas, without rights, with settings that there are.

No cluster has run it.
"""

import json
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tasks.serve import GRACE_SECONDS
from tasks.settings import Settings
from tests.docker.engine import REPOSITORY
from tests.docker.pod_security import breaches

MANIFEST = (REPOSITORY / "docs" / "search-service.yaml").read_text("utf-8")
DOCUMENTS: dict[str, dict[str, Any]] = {it["kind"]: it for it in yaml.safe_load_all(MANIFEST)}
POD = DOCUMENTS["Deployment"]["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]
VARIABLES = {it["name"]: it.get("value") for it in CONTAINER["env"]}


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_each_object_is_one_by_the_schema_of_kubernetes(kind: str) -> None:
    kubernetes_validate.validate(DOCUMENTS[kind], kubernetes_validate.latest_version(), strict=True)


def test_pods_keep_the_restricted_security_standard() -> None:
    assert breaches(POD) == []
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"]
    assert POD["spec"]["automountServiceAccountToken"] is False
    dockerfile = (REPOSITORY / "docker" / "Dockerfile").read_text("utf-8")
    user = POD["spec"]["securityContext"]
    assert f"USER {user['runAsUser']}:{user['runAsGroup']}" in dockerfile


def test_service_and_budget_are_for_the_pods_of_the_deployment() -> None:
    labels = POD["metadata"]["labels"]
    assert DOCUMENTS["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert DOCUMENTS["Service"]["spec"]["selector"] == labels
    assert DOCUMENTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    (port,) = DOCUMENTS["Service"]["spec"]["ports"]
    assert port["targetPort"] in [it["name"] for it in CONTAINER["ports"]]


def test_the_token_is_in_a_secret_alone() -> None:
    assert VARIABLES["IMAGE_SEARCH_TOKEN"] is None
    said = json.dumps(list(DOCUMENTS.values()))
    assert not any(it in said for it in ("SECRET_ACCESS_KEY", "password", "Bearer"))


def test_variables_are_settings_and_agree_with_the_limits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in VARIABLES.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.lake == VARIABLES["IMAGE_SEARCH_LAKE"]
    assert settings.threads == int(CONTAINER["resources"]["limits"]["cpu"])
    (scratch,) = POD["spec"]["volumes"]
    assert scratch["emptyDir"]["sizeLimit"] == "10Gi"
    assert settings.cache_bytes == 8 * 2**30


def test_it_has_longer_to_end_than_it_takes() -> None:
    waits = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert POD["spec"]["terminationGracePeriodSeconds"] >= waits + GRACE_SECONDS + 5
