"""`python -m netorch`."""

from netorch.cli import run

run()
