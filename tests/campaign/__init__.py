"""Hostile inputs by the hundred: ``python -m tests.campaign`` tries them all and writes docs/reliability.md."""
