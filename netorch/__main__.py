"""`python -m netorch`."""

from netorch.cli import main

raise SystemExit(main())
