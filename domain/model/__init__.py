"""The data model: frozen dataclasses that are valid by construction."""
