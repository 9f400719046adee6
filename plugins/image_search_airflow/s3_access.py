"""Access to an `s3://` lake from an Airflow connection, as environment variables for a task.

s3fs reads them like every client on botocore, so they serve a task wherever it runs; and an
environment keeps a secret out of command lines, logs, plans and XComs.
"""

import logging
from collections.abc import Mapping

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException
from airflow.sdk.log import mask_secret

_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")

# Variables that answer the same question: what is set of one group replaces all of the group.
_RIVALS = (
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_CREDENTIAL_EXPIRATION",
        "AWS_ACCOUNT_ID",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    },
    {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"},
    {"AWS_REGION", "AWS_DEFAULT_REGION"},
)


def s3_variables(connection_id: str) -> dict[str, str]:
    """Resolves an Airflow connection of type `aws` into what botocore reads from the environment.

    To be called while a task runs. What the connection leaves open is left out: the environment of
    the task says it, or AWS's default.

    Args:
        connection_id: id of the connection.

    Returns:
        Environment variables by name: endpoint, region, CA bundle, and either keys (those of the
        role, if the connection names one) or a profile.

    Raises:
        AirflowFailException: there is no such connection, or it cannot be handed to a task.
    """
    # Takes seconds to import, and only a task that runs needs it.
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    hook = AwsBaseHook(aws_conn_id=connection_id, client_type="s3")
    try:
        _check_kind(hook.get_connection(connection_id))
    except AirflowNotFoundException:
        # The hook itself would go on with whatever the worker may access.
        raise _refusal(connection_id, "does not exist; add it, or empty the setting") from None
    config = hook.conn_config
    if bool(config.aws_access_key_id) != bool(config.aws_secret_access_key):
        raise _refusal(connection_id, "has half a key: it needs both key id and secret, or neither")
    if config.extra_config.get("config_kwargs"):
        logging.getLogger(__name__).warning(
            "Tasks get no config_kwargs of the connection %s: no environment variable takes them",
            connection_id,
        )

    variables = {
        "AWS_ENDPOINT_URL_S3": config.get_service_endpoint_url("s3"),
        "AWS_DEFAULT_REGION": config.region_name,
        "AWS_REGION": config.region_name,
        "AWS_CA_BUNDLE": _ca_bundle(connection_id, config.verify),
    }
    if config.role_arn or config.aws_access_key_id:
        keys = hook.get_credentials()
        variables |= {
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_SESSION_TOKEN": keys.token,
        }
    else:
        variables["AWS_PROFILE"] = config.profile_name
    return {name: value for name, value in variables.items() if value}


def with_variables(environment: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """Returns an environment with variables of `s3_variables`, and nothing that contradicts them.

    A session token left over from other keys, for example, would spoil those of the connection.
    """
    replaced = {name for group in _RIVALS if not group.isdisjoint(variables) for name in group}
    kept = {name: value for name, value in environment.items() if name not in replaced}
    return {**kept, **variables}


def mask_secrets(environment: Mapping[str, str]) -> None:
    """Makes Airflow mask the secrets of an environment in the log."""
    for secret in _secrets(environment):
        mask_secret(secret)


def blot_out(text: str, environment: Mapping[str, str]) -> str:
    """Returns a text without the secrets of an environment.

    Airflow's own masking does not reach all logs: that of `airflow dags test` it passes by.
    """
    for secret in _secrets(environment):
        text = text.replace(secret, "***")
    return text


def _secrets(environment: Mapping[str, str]) -> list[str]:
    return [environment[name] for name in _SECRETS if environment.get(name)]


def _check_kind(connection: Connection) -> None:
    if connection.conn_type != "aws":
        raise _refusal(connection.conn_id, f"is of type {connection.conn_type!r}, not 'aws'")
    if bool(connection.login) != bool(connection.password):
        raise _refusal(connection.conn_id, "needs both login and password, or neither")


def _ca_bundle(connection_id: str, verify: bool | str | None) -> str | None:
    """Returns the CA bundle that `verify` of a connection names, if it names one."""
    wanted = str(verify)
    if wanted.lower() in ("none", "true"):
        return None
    if wanted.lower() in ("", "0", "false"):
        raise _refusal(
            connection_id,
            "turns off the verification of TLS, which tasks do not offer; "
            "set verify to the path of a CA bundle that vouches for the server",
        )
    return wanted


def _refusal(connection_id: str, reason: str) -> AirflowFailException:
    return AirflowFailException(
        f"the connection {connection_id!r}, named under [airflow] in the settings, {reason}"
    )
