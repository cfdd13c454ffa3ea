"""Models that are imported at their first use, because most files do not need them."""

from functools import cache
from importlib import import_module

from netorch.language.model import Model


class LateModel:
    """A validator that imports its model at the first use."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    @cache  # noqa: B019  # because there are three of them, which live as long as the models
    def model(self) -> type[Model]:
        """Import the model."""
        model: type[Model] = getattr(import_module(self._module), self._name)
        return model

    def __call__(self, value: object) -> Model:
        return self.model().model_validate(value)
