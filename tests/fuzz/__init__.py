"""Schemathesis against a running service."""
