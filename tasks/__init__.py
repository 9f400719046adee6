"""The tasks of the image search pipeline: what runs in the containers, knowing no Airflow."""
