"""Starts the service and uses its IDE page in Chromium; the screenshot's path may be given."""

import sys
import tempfile
from pathlib import Path

from tests.node import run_program
from tests.servers import Server

with tempfile.TemporaryDirectory() as folder, Server(f"sqlite:///{folder}/earlybird.db") as server:
    screenshot = sys.argv[1] if len(sys.argv) > 1 else f"{folder}/ide.png"
    url = f"http://127.0.0.1:{server.port}/graphql"
    sys.exit(run_program(Path(__file__).parent, "ide.mjs", url, screenshot))
