"""Access to a lake on S3 from an Airflow connection."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.log import redact

from image_search_airflow.s3_access import blot_out, mask_secrets, s3_variables, with_variables

SECRET = "wJalr/XUtnFEMI+K7MDENG"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": SECRET}

AddConnection = Callable[..., None]


@pytest.fixture(autouse=True)
def _no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hides what this machine knows of AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def add_connection(monkeypatch: pytest.MonkeyPatch) -> AddConnection:
    """Returns a function that gives Airflow the connection `lake`."""

    def add(conn_type: str = "aws", **fields: Any) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": conn_type, **fields}))

    return add


@pytest.fixture
def token_service() -> Iterator[str]:
    """The address of a server that answers AssumeRole, and nothing else, with keys of the role."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # pylint: disable=invalid-name  # what the server calls
            asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
            known = "Action=AssumeRole&" in asked and "role%2Findexer" in asked
            self.send_response(200 if known else 400)
            self.end_headers()
            self.wfile.write(b"""<AssumeRoleResponse><AssumeRoleResult><Credentials>
                <AccessKeyId>ASIA-role</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>
                <SessionToken>role-token</SessionToken>
                <Expiration>2099-01-01T00:00:00Z</Expiration>
                </Credentials></AssumeRoleResult></AssumeRoleResponse>""")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_all_that_a_connection_says_is_handed_over(add_connection: AddConnection) -> None:
    add_connection(
        login="AKIA1",
        password=SECRET,
        extra={
            "endpoint_url": "https://s3.lab:8333",
            "region_name": "eu-north-1",
            "aws_session_token": "a-session",
            "verify": "/etc/ssl/lab.pem",
        },
    )
    assert s3_variables("lake") == {
        **KEYS,
        "AWS_SESSION_TOKEN": "a-session",
        "AWS_ENDPOINT_URL_S3": "https://s3.lab:8333",
        "AWS_DEFAULT_REGION": "eu-north-1",
        "AWS_REGION": "eu-north-1",
        "AWS_CA_BUNDLE": "/etc/ssl/lab.pem",
    }


def test_what_a_connection_leaves_open_is_left_to_the_environment(
    add_connection: AddConnection,
) -> None:
    add_connection(extra={"endpoint_url": "http://s3.lab:8333"})
    assert s3_variables("lake") == {"AWS_ENDPOINT_URL_S3": "http://s3.lab:8333"}


def test_keys_may_be_in_the_extra_as_the_amazon_provider_has_it(
    add_connection: AddConnection,
) -> None:
    add_connection(extra={"aws_access_key_id": "AKIA1", "aws_secret_access_key": SECRET})
    assert s3_variables("lake") == KEYS


def test_an_endpoint_for_s3_alone_wins_over_the_one_for_all_services(
    add_connection: AddConnection,
) -> None:
    services = {"s3": {"endpoint_url": "http://s3"}, "sts": {"endpoint_url": "http://sts"}}
    add_connection(extra={"endpoint_url": "http://all", "service_config": services})
    assert s3_variables("lake") == {"AWS_ENDPOINT_URL_S3": "http://s3"}


def test_a_profile_is_named_and_its_keys_are_not_read(add_connection: AddConnection) -> None:
    add_connection(extra={"profile_name": "lab"})
    assert s3_variables("lake") == {"AWS_PROFILE": "lab"}


def test_a_role_is_taken_and_its_keys_are_handed_over(
    add_connection: AddConnection, token_service: str
) -> None:
    add_connection(
        login="AKIA1",
        password=SECRET,
        extra={
            "role_arn": "arn:aws:iam::123456789012:role/indexer",
            "region_name": "eu-north-1",
            "service_config": {"sts": {"endpoint_url": token_service}},
        },
    )
    variables = s3_variables("lake")
    assert {name: variables[name] for name in (*KEYS, "AWS_SESSION_TOKEN")} == {
        "AWS_ACCESS_KEY_ID": "ASIA-role",
        "AWS_SECRET_ACCESS_KEY": "role-secret",
        "AWS_SESSION_TOKEN": "role-token",
    }
    assert "AWS_ENDPOINT_URL_S3" not in variables


@pytest.mark.parametrize("verify", [True, "true", None])
def test_verifying_tls_is_the_default(add_connection: AddConnection, verify: Any) -> None:
    add_connection(extra={"verify": verify})
    assert not s3_variables("lake")


@pytest.mark.parametrize("verify", [False, "False", 0, ""])
def test_not_verifying_tls_is_refused_with_what_to_do(
    add_connection: AddConnection, verify: Any
) -> None:
    add_connection(extra={"verify": verify})
    with pytest.raises(AirflowFailException, match=r"'lake'.* verify to the path of a CA bundle"):
        s3_variables("lake")


def test_a_connection_that_does_not_exist_is_named() -> None:
    with pytest.raises(AirflowFailException, match=r"'lake'.* does not exist"):
        s3_variables("lake")


def test_a_connection_of_another_type_is_refused(add_connection: AddConnection) -> None:
    add_connection("http", login="AKIA1", password=SECRET)
    with pytest.raises(AirflowFailException, match="is of type 'http', not 'aws'"):
        s3_variables("lake")


@pytest.mark.parametrize(
    "half",
    [
        {"login": "AKIA1"},
        {"password": SECRET},
        {"extra": {"aws_access_key_id": "AKIA1"}},
        {"login": "AKIA1", "extra": {"profile_name": "lab"}},
    ],
)
def test_half_a_key_is_refused_and_the_reason_is_one_line_without_it(
    add_connection: AddConnection, half: dict[str, Any]
) -> None:
    add_connection(**half)
    with pytest.raises(AirflowFailException, match="or neither") as refused:
        s3_variables("lake")
    assert "\n" not in str(refused.value)
    assert SECRET not in str(refused.value)


def test_what_no_variable_can_carry_is_said(
    add_connection: AddConnection, caplog: pytest.LogCaptureFixture
) -> None:
    add_connection(extra={"config_kwargs": {"s3": {"addressing_style": "virtual"}}})
    assert not s3_variables("lake")
    assert "no config_kwargs of the connection lake" in caplog.text


def test_what_contradicts_the_connection_is_gone_and_all_else_is_kept() -> None:
    of_other_keys = {"AWS_SESSION_TOKEN": "t", "AWS_SECURITY_TOKEN": "t", "AWS_PROFILE": "p"}
    kept = {"PATH": "/bin", "AWS_ENDPOINT_URL": "http://s3.lab", "AWS_CA_BUNDLE": "/lab.pem"}
    assert with_variables({**of_other_keys, **kept}, KEYS) == {**kept, **KEYS}


def test_a_profile_replaces_keys_and_the_identity_of_a_pod() -> None:
    before = {**KEYS, "AWS_ROLE_ARN": "r", "AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}
    assert with_variables(before, {"AWS_PROFILE": "lab"}) == {"AWS_PROFILE": "lab"}


def test_an_endpoint_replaces_those_that_would_win_over_it() -> None:
    before = {"AWS_ENDPOINT_URL": "http://a", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    endpoint = {"AWS_ENDPOINT_URL_S3": "http://b"}
    assert with_variables({**before, "AWS_ENDPOINT_URL_S3": "http://a"}, endpoint) == endpoint


def test_airflow_masks_the_secrets_where_it_masks() -> None:
    environment = {"AWS_SECRET_ACCESS_KEY": "a-masked-key", "AWS_SESSION_TOKEN": "a-masked-token"}
    mask_secrets(environment)
    assert redact("a-masked-key, a-masked-token, a-word") == "***, ***, a-word"


def test_secrets_are_blotted_out_and_empty_ones_are_none() -> None:
    environment = {**KEYS, "AWS_SESSION_TOKEN": ""}
    assert blot_out(f"AKIA1 and {SECRET}!", environment) == "AKIA1 and ***!"


# What s3fs makes of its environment, without a word to it.
S3FS = """
import json, s3fs
files = s3fs.S3FileSystem()
files.connect()
client = files.s3
keys = client._request_signer._credentials
print(json.dumps([client.meta.endpoint_url, client.meta.region_name, keys.access_key,
                  keys.secret_key, keys.token, client._endpoint.http_session._verify]))
"""


@pytest.mark.parametrize("token", [None, "a-session"])
def test_s3fs_takes_endpoint_region_keys_and_ca_bundle_from_it(
    add_connection: AddConnection, token: str | None
) -> None:
    stale = {
        "AWS_ENDPOINT_URL_S3": "http://stale",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "AWS_REGION": "us-west-1",
        "AWS_DEFAULT_REGION": "us-west-1",
        "AWS_SECURITY_TOKEN": "stale",
        "AWS_PROFILE": "stale",
        "AWS_DEFAULT_PROFILE": "stale",
        "AWS_CREDENTIAL_EXPIRATION": "2001-01-01T00:00:00Z",
        "AWS_CA_BUNDLE": "/stale.pem",
    }
    bundle = subprocess.run(
        [sys.executable, "-m", "certifi"], capture_output=True, text=True, check=True
    ).stdout.strip()
    extra = {"endpoint_url": "https://s3.lab:8333", "region_name": "eu-north-1", "verify": bundle}
    if token:
        extra["aws_session_token"] = token
    add_connection(login="AKIA1", password=SECRET, extra=extra)
    done = subprocess.run(
        [sys.executable, "-c", S3FS],
        env=with_variables({**os.environ, **stale}, s3_variables("lake")),
        capture_output=True,
        text=True,
        check=True,
    )
    expected = ["https://s3.lab:8333", "eu-north-1", "AKIA1", SECRET, token, bundle]
    assert json.loads(done.stdout) == expected
