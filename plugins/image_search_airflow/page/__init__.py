"""The Image Search page in Airflow's UI. It holds no image: it asks a worker of the tasks."""
