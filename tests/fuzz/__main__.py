"""Fuzzes a service of its own that holds the examples, as their owner: `python -m tests.fuzz st`.

`st` is the program of Schemathesis, which lives in a virtual environment of its own.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.servers import Server

HERE = Path(__file__).parent
SECONDS = "140"
# They would leave nothing to be found, or end the secret that opens all else; so they come last.
ENDS = ("Mutation.deleteProject", "Mutation.deleteEnvironment")
SECRET_ENDS = ("Mutation.resetAccessToken", "Mutation.deleteAccessToken")


def main() -> int:
    """Fuzz everything, then what deletes everything; return the worst status."""
    others = [("--exclude-name", name) for name in (*ENDS, *SECRET_ENDS)]
    ends, secret_ends = ([("--include-name", name) for name in names] for names in (ENDS, SECRET_ENDS))
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(f"sqlite:///{folder}/x.db", examples="examples") as server,
    ):
        statuses = [
            fuzz(server, "--max-time", SECONDS, *sum(others, ())),
            fuzz(server, "--max-examples", "100", *sum(ends, ())),
            fuzz(server, "--max-examples", "100", *sum(secret_ends, ()), secret_ends="1"),
        ]
        faults = [line for line in server.output().splitlines() if '"level":"error"' in line]
    sys.stdout.write("\n".join([*faults, f"{len(faults)} lines of the log tell of errors", ""]))
    return max(*statuses, bool(faults))


def fuzz(server: Server, *options: str, secret_ends: str = "") -> int:
    """Run Schemathesis with some options; return its status."""
    url = f"http://127.0.0.1:{server.port}/graphql"
    command = [
        sys.argv[1],
        "--config-file",
        str(HERE / "schemathesis.toml"),
        "run",
        url,
    ]
    fixed = ["--phases", "fuzzing", "--checks", "answers_as_it_should", "--workers", "2", "--warnings", "off"]
    token = ["--header", f"Authorization: Bearer {server.token}"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"), "SECRET_ENDS": secret_ends}
    return subprocess.run([*command, *fixed, *token, *options], env=environment, check=False).returncode  # noqa: S603 - our own command


if __name__ == "__main__":
    sys.exit(main())
