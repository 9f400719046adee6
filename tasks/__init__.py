"""The tasks of the image search pipeline: what runs inside the containers. Knows nothing of Airflow."""
