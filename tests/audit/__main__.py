"""Starts the service and runs the audit suite of npm's graphql-http against it."""

import sys
import tempfile
from pathlib import Path

from tests.node import run_program
from tests.servers import Server

with tempfile.TemporaryDirectory() as folder, Server(f"sqlite:///{folder}/earlybird.db") as server:
    sys.exit(run_program(Path(__file__).parent, "audit.mjs", f"http://127.0.0.1:{server.port}/graphql"))
