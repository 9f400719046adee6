# Runs while the images are built: makes /layer/opt/venv, to be copied to /opt/venv, of /requirements.txt, which must name a hash for every package.
# With RUNTIME=openvino, /openvino.txt is added where it is; the two may name the same packages, of the same versions.
set -eu
if [ "${RUNTIME:-}" = openvino ] && [ -f /openvino.txt ]; then
  cat /openvino.txt >>/requirements.txt
fi
/tools/bin/uv venv --quiet --no-cache --python "$(command -v python3)" /opt/venv
/tools/bin/uv pip install --quiet --no-cache --python /opt/venv --no-deps --only-binary :all: --link-mode copy \
  --require-hashes --requirement /requirements.txt
sh /tools/slim_packages.sh /opt/venv/lib/python3*/site-packages
# Containers cannot write byte code beside it; made here, each start of a task saves the time.
python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib
mkdir -p /layer/opt
mv /opt/venv /layer/opt/
find /layer -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
