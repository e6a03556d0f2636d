"""CertLogic 1.3.3: the language in which entry rules are written, so that a rule is data and not a release.

A rule is validated once, when somebody proposes it, compiled once, when it comes into force, and called for every
traveller. `evaluate` is compile and call in one breath, so the two can never disagree.

Expressions and data are what `json.loads` returns. Nothing here reads a clock, a file or the network; the moment a rule
is judged at comes in with the data. Written from the public specification of the EU Digital COVID Certificate projects.
"""

from services.codes.certlogic.compiling import compile_expression, evaluate
from services.codes.certlogic.date_times import DateTime, render_date_time
from services.codes.certlogic.errors import EvaluationError
from services.codes.certlogic.forms import Problem
from services.codes.certlogic.limits import NESTING_MAX, NODES_MAX, STEPS_MAX
from services.codes.certlogic.validation import validate
from services.codes.certlogic.values import render_value

SPECIFICATION_VERSION = "1.3.3"

__all__ = [
    "NESTING_MAX",
    "NODES_MAX",
    "SPECIFICATION_VERSION",
    "STEPS_MAX",
    "DateTime",
    "EvaluationError",
    "Problem",
    "compile_expression",
    "evaluate",
    "render_date_time",
    "render_value",
    "validate",
]
