"""Runs the node programs that some checks need."""

import shutil
import subprocess
from pathlib import Path


def run_program(folder: Path, program: str, *arguments: str) -> int:
    """Install what the folder's package.json names, run the program, and return its status."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise SystemExit("this check needs node and npm")
    install = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
    subprocess.run(install, cwd=folder, check=True)  # noqa: S603 - our own command
    return subprocess.run([node, program, *arguments], cwd=folder, check=False).returncode  # noqa: S603 - same
