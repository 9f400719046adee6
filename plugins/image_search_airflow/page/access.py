"""Who may do what: Airflow's own authentication and permissions, and no request from other sites.

A viewer, who may see the runs of `image_search`, may look. Who may trigger `image_search`, may
search.
"""

from typing import Annotated, Any
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.configuration import conf
from airflow.models.dag import DagModel
from fastapi import Depends, HTTPException, Request, status

SEARCH_DAG = "image_search"
REINDEX_DAG = "image_reindex"

# No form and no other site's script can send it without asking this server first.
OWN_HEADER = "X-Image-Search"

may_look = Depends(requires_access_dag("GET", DagAccessEntity.RUN, SEARCH_DAG))
may_see_reindex = Depends(requires_access_dag("GET", DagAccessEntity.RUN, REINDEX_DAG))
may_search = Depends(requires_access_dag("POST", DagAccessEntity.RUN, SEARCH_DAG))


def rights_of(user: GetUserDep) -> dict[str, Any]:
    """Returns the name of the user, and which of the DAGs she may trigger."""
    return {
        "user": user.get_name(),
        "may_search": _may_trigger(user, SEARCH_DAG),
        "may_reindex": _may_trigger(user, REINDEX_DAG),
    }


Rights = Annotated[dict[str, Any], Depends(rights_of)]


def _may_trigger(user: Any, dag_id: str) -> bool:
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    return bool(
        get_auth_manager().is_authorized_dag(
            method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user
        )
    )


def from_this_page(request: Request) -> None:
    """Refuses what another site may have made the user's browser send, with her cookie.

    A token in the header is no cookie: whoever sends it, means it.

    Raises:
        HTTPException: 403.
    """
    if request.headers.get("Authorization", "").lower().startswith("bearer "):
        return
    if OWN_HEADER not in request.headers or not _same_origin(request):
        raise HTTPException(
            status.HTTP_403_FORBIDDEN, "this request does not come from the Image Search page"
        )


own_page_only = Depends(from_this_page)


def _same_origin(request: Request) -> bool:
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    origin = request.headers.get("Origin")
    # Browsers name the origin of whatever is not a plain GET. Who names none, is no browser.
    known = {request.headers.get("Host"), urlsplit(conf.get("api", "base_url", fallback="")).netloc}
    return origin is None or (urlsplit(origin).netloc or "null") in known
