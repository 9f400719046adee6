"""Tells Airflow of the Image Search page: an entry in the navigation, and a view on each run.

Airflow executes this file in all its processes. Only the API server is ever asked for the page,
and builds it then.
"""

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from image_search_airflow.page.lazy import LazyApp

_ICONS = {
    "icon": "image-search/assets/icon.svg",
    "icon_dark_mode": "image-search/assets/icon-dark.svg",
}


class ImageSearchPlugin(AirflowPlugin):
    """The Image Search page."""

    name = "image_search"
    fastapi_apps: list[Any] = [  # noqa: RUF012  # as Airflow declares it
        {"name": "Image Search", "url_prefix": "/image-search", "app": LazyApp()}
    ]
    external_views: list[Any] = [  # noqa: RUF012
        {
            "name": "Image Search",
            "href": "image-search/",
            "destination": "nav",
            "url_route": "image-search",
            "nav_top_level": True,
            **_ICONS,
        },
        {
            "name": "Images",
            "href": "image-search/run?dag_id={DAG_ID}&run_id={RUN_ID}",
            "destination": "dag_run",
            "url_route": "images",
            **_ICONS,
        },
    ]
