"""Run the command line with `python -m netorch`."""

from netorch.cli import run

run()
