"""Tests of domain.access."""
