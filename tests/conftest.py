"""Fixtures shared by every directory of tests."""
