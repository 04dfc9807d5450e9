"""Rows E1 to E10 in one run: one table, also as JSON and as a plot. Run it with `make bench`.

Each module measures its rows alone, too: `python -m benchmarks.evaluator`, `.http`, `.large_lists`, `.processes`.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks import evaluator, http, large_lists, processes
from benchmarks.machine import write_json
from benchmarks.plots import draw_rows
from benchmarks.rows import Row, table, to_json

PARTS: dict[str, tuple[Callable[[], list[Row]], Callable[[], list[Row]]]] = {
    "E1, E2: the evaluator": (evaluator.measure, lambda: evaluator.measure(rounds=2)),
    "E3 to E5: over HTTP": (http.measure, lambda: http.measure(rounds=2)),
    "E6 to E8: large lists and usage": (large_lists.measure, lambda: large_lists.measure(keys=20_000)),
    "E9, E10: processes": (processes.measure, lambda: processes.measure(changes=5, edits_each=4)),
}
"""Each part as it is, and as a trial that takes seconds and means nothing."""


def main() -> None:
    """Measure all rows, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks"), help="folder of the files written")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, to see that all works; figures mean nothing"
    )
    arguments = parser.parse_args()
    rows = []
    for name, (measure, trial) in PARTS.items():
        print(f"{name} …", flush=True)
        rows += trial() if arguments.quick else measure()
    print(table(rows))
    write_json(arguments.output / "bench.json", rows=[to_json(row) for row in rows])
    draw_rows(rows, arguments.output / "bench.svg")


if __name__ == "__main__":
    main()
