#!/bin/sh
# Stands in for the interpreter of the tasks' environment: does no work and prints what each task would print, so that
# what is left is Airflow's own cost. NO_WORK_PLAN names the file that `plan` prints.
if [ "$3" = plan ]; then
  cat "$NO_WORK_PLAN"
else
  echo '{"version": 1, "images": 0, "added": 0, "changed": 0, "renamed": 0, "removed": 0, "rejected": 0, "seconds": 0}'
fi
