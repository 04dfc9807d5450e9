"""Where something was measured, and what its processes take."""

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def write_json(path: Path, **content: Any) -> None:  # noqa: ANN401 - JSON is
    """Write what was measured, with where and when."""
    machine = {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    measured = {"measuredAt": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, **content}
    path.write_text(json.dumps(measured, indent=2, ensure_ascii=False) + "\n")


def memory_mib(pid: int, *, peak: bool = False) -> float:
    """Return the memory that a process has now, or had at most."""
    name = "VmHWM" if peak else "VmRSS"
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(name)).split()[1]) / 1024


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
