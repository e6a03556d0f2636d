"""The one way in which an evaluation fails."""


class EvaluationError(Exception):
    """This expression has no value for this data.

    `path` points into the expression, never into the data, and `reason` names kinds and never values: a rule's failure
    is recorded, and what stood in somebody's certificate must not be recorded with it.
    """

    def __init__(self, reason: str, path: str = "$") -> None:
        super().__init__(f"{path}: {reason}")
        self.reason = reason
        self.path = path
