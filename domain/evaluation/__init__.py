"""Evaluation: synchronous, pure, over an immutable compiled snapshot."""
