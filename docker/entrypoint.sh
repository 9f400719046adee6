#!/bin/sh
# Runs the command that it is given; Airflow's Helm chart calls it by this name in its probes.
exec "$@"
