"""What Airflow makes of the plugins folder."""

import subprocess
import sys


def test_airflow_executes_no_library_file() -> None:
    program = (
        "import sys; from airflow import plugins_manager as it; it.ensure_plugins_loaded();"
        "print([name for name in ('settings', 'contract', 'runner') if name in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip().endswith("[]")
