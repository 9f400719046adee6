#!/usr/bin/env bash
# Starts Airflow with its web page on the given port and ends all of it at Ctrl-C. `make up` sets the environment.
set -eu
port=$1

if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
  echo "error: port $port is taken; choose another one: make up PORT=9090" >&2
  exit 1
fi
# The tasks report to the address below: both must name the same port.
export AIRFLOW__API__PORT=$port AIRFLOW__API__BASE_URL=http://localhost:$port

cat <<TEXT
Airflow starts; the page is up in about half a minute.
  address   http://localhost:$port
  user      admin
  password  in $AIRFLOW_HOME/simple_auth_manager_passwords.json.generated
  lake      $IMAGE_SEARCH_LAKE
Ctrl-C ends it.
TEXT

# In a process group of its own, which gets one signal: a second one, as a terminal sends it, makes the scheduler hang.
set -m
mkdir -p "$AIRFLOW_HOME"
airflow standalone >"$AIRFLOW_HOME/standalone.log" 2>&1 &
pid=$!
stop() {
  echo "Stopping Airflow"
  kill -TERM -- "-$pid" 2>/dev/null
  for _ in {1..75}; do
    kill -0 -- "-$pid" 2>/dev/null || return 0
    sleep 0.2
  done
  kill -KILL -- "-$pid" 2>/dev/null
}
trap 'stop || true; exit 0' INT TERM
wait "$pid" || { tail -n 20 "$AIRFLOW_HOME/standalone.log" >&2; exit 1; }
