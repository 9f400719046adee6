"""What the Image Search page of Airflow's UI asks: one small process, JSON lines in and out."""
