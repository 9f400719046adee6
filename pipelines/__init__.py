"""The same tasks for orchestrators other than Airflow."""
