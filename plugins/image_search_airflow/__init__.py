"""What Airflow needs from us: the operators that run a task, and their settings."""
