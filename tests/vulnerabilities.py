"""Asks for known vulnerabilities of what is installed: `python -m tests.vulnerabilities pip-audit`.

Fails if there are any. Where the service that knows them cannot be asked, it says so, and does not fail.
"""

import json
import subprocess
import sys
import sysconfig
from typing import Any

ASKED_IN_VAIN = "the service of vulnerabilities could not be asked: nothing is known of what is installed"


def verdict(dependencies: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """Return the status and what to say."""
    asked = [item for item in dependencies if "skip_reason" not in item]
    if not asked:
        return 0, [ASKED_IN_VAIN]
    found = [f"{item['name']} {item['version']}: {flaw['id']}" for item in asked for flaw in item["vulns"]]
    unknown = [f"{item['name']}: {item['skip_reason']}" for item in dependencies if "skip_reason" in item]
    return bool(found), [*unknown, *found, f"{len(asked)} packages, {len(found)} known vulnerabilities"]


def main() -> int:
    """Audit the environment that this runs in."""
    command = [
        sys.argv[1],
        "--format",
        "json",
        "--progress-spinner",
        "off",
        "--path",
        sysconfig.get_path("purelib"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except json.JSONDecodeError:  # it ends with a traceback where it has no connection
        dependencies = []
    status, words = verdict(dependencies)
    sys.stdout.write("\n".join([*words, ""]))
    return status


if __name__ == "__main__":
    sys.exit(main())
