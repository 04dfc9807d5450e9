"""The embedded store: one SQLite file, no server; several processes may share it."""
