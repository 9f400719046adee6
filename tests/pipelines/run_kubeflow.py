"""Runs a Kubeflow pipeline in containers on this machine, with KFP's own local runner.

`python -m tests.pipelines.run_kubeflow NAME ARGUMENTS LAKE_FOLDER` prints what the run returns.
"""

import json
import sys
import tempfile
from pathlib import Path

import docker.types
from kfp import local

from pipelines.kubeflow import PIPELINES


def main(name: str, arguments: str, folder: str) -> None:
    """Runs the pipeline on a lake in a folder, as the owner of that."""
    owner = Path(folder).stat()
    with tempfile.TemporaryDirectory() as outputs:
        Path(outputs).chmod(0o777)
        runner = local.DockerRunner(
            entrypoint=[""],  # a pod's command takes its place
            user=f"{owner.st_uid}:{owner.st_gid}",
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            mounts=[
                docker.types.Mount(folder, folder, type="bind"),
                docker.types.Mount("/scratch", None),
            ],
        )
        local.init(runner, pipeline_root=outputs)
        result = PIPELINES[name](**json.loads(arguments))
    print(json.dumps(result.outputs))


if __name__ == "__main__":
    main(*sys.argv[1:])
