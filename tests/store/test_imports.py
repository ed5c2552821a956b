"""What a start does not import."""

import subprocess
import sys


def test_the_server_starts_without_data_frames() -> None:
    code = "import sys, phoenix_grpc.server; print(sorted({'pandas', 'numpy'} & set(sys.modules))); import numpy"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
