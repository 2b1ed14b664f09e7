"""What schemathesis, which imports this, is told of the API by hooks where the document has no words for it."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis.generation import GenerationMode

FORM = "multipart/form-data"


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leave out forms that are wrong by the schema alone: in a form, whatever is sent is a file, and has its answer."""
    of_body = case.meta and case.meta.components.get("body")
    return not (case.media_type == FORM and of_body and of_body.mode == GenerationMode.NEGATIVE)
