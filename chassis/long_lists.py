"""Long lists of a body are validated item by item in the endpoint's thread, so that the event loop serves others.

Such a list is declared as `list[Annotated[Item, SkipValidation]]`: OpenAPI still says what an item is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")
_ERRORS_MAX = 50
"""What a problem document tells; an item has at most as many more as it has members."""


def read_each(kind: TypeAdapter[T], items: Sequence[object]) -> list[T]:
    """Raises `RequestValidationError` with the first errors, each under its item's number."""
    read: list[T] = []
    errors: list[Any] = []
    for number, item in enumerate(items):
        try:
            read.append(kind.validate_python(item))
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            errors += [{**each, "loc": ("body", number, *each["loc"])} for each in found]
            if len(errors) >= _ERRORS_MAX:
                break
    if errors:
        raise RequestValidationError(errors)
    return read
