"""Imports a text, as the command line does."""

from collections.abc import Callable

import pytest

from netorch.importers import formats
from netorch.importers.finish import Imported, finish
from netorch.kernel.files.source_files import SourceFiles

Import = Callable[..., Imported]


@pytest.fixture
def import_text() -> Import:
    def run(text: str, path: str = "source", form: str | None = None) -> Imported:
        files = SourceFiles([path], {path: text.encode()})
        return finish(formats.read(files, None, form))

    return run
