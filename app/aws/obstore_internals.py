"""What obstore tells of a call that failed: in its errors' text, which may change with it and is read here alone."""

from __future__ import annotations

import re

from app.aws.errors import Failed

# The answer's body, in quotes on a line of its own: a key may look like all else.
_CODE = re.compile(r'body: Some\(\n\s+"(?:[^"\\]|\\.)*?<Code>(\w+)</Code>')


def failed(err: Exception) -> Failed:
    """Return an error of obstore's with AWS's code, or with what else says what it was."""
    text = str(err)
    code = _CODE.search(text)
    kind = "404" if isinstance(err, FileNotFoundError) else type(err).__name__
    return Failed(code[1] if code else kind, text.partition("\n")[0])
