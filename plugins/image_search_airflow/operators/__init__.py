"""One file for each place where a task can run."""
