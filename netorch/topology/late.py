"""Models that are imported at their first use, because most files do not need them."""

from functools import cache
from importlib import import_module

from pydantic import BaseModel

from netorch.language.schema_shapes import ONE_ARGUMENT


class LateModel:
    """A validator that imports its model at the first use."""

    __signature__ = ONE_ARGUMENT

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    @cache  # noqa: B019  # because there are three of them, which live as long as the models
    def model(self) -> type[BaseModel]:
        """Import the model."""
        model: type[BaseModel] = getattr(import_module(self._module), self._name)
        return model

    def __call__(self, value: object) -> BaseModel:
        return self.model().model_validate(value)
