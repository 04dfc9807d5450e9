"""How Python's garbage collector runs in a process that serves."""

import gc


def spare_collections() -> None:
    """Look for cycles seldom, and never in what is loaded by now; most garbage is in none, and goes at once.

    A full collection of a thousand flags stops everything for a tenth of a second. What is loaded later is not
    frozen too, since the connections that are open then would be, and never be freed.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
