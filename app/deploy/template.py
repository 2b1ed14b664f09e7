"""The template as CloudFormation gets it: what fits into a request while there is no bucket, then all of it from there.

A request takes 51,200 bytes, an object 1 MB (CloudFormation user guide, quotas).
"""

from __future__ import annotations

import hashlib
import re

from botocore.exceptions import ClientError

from app import aws
from app.deploy.bundle import ROOT
from app.settings import Settings

TEMPLATE = ROOT / "docker" / "aws" / "elastiq.yaml"
# What hosts do at their first boot, which is a third of the template and is not needed before there is a host.
_SETUP = re.compile(r"^( +UserData: )\|\n(?: {6}.*\n|\n)+", re.MULTILINE)
# What only its readers need.
_COMMENT = re.compile(r"^ *#.*\n", re.MULTILINE)


def foundation() -> str:
    """Return the template as a text that makes everything but hosts."""
    return _COMMENT.sub("", _SETUP.sub("\\1hosts come later\n\n", TEMPLATE.read_text(), count=1))


def stored(settings: Settings, bucket: str) -> str:
    """Return the address of the whole template, stored in a bucket under its digest unless it is there.

    Raises:
        ConfigurationError: AWS refuses.
        TransientError: AWS does not answer.
    """
    body = TEMPLATE.read_bytes()
    where = {"Bucket": bucket, "Key": f"templates/{hashlib.sha256(body).hexdigest()}.yaml"}
    s3 = aws.client("s3", settings.aws)
    with aws.translated(f"storing the template in bucket {bucket!r}"):
        try:
            s3.head_object(**where)
        except ClientError as err:
            if aws.error_code(err) != "404":
                raise
            s3.put_object(**where, Body=body)
    address: str = s3.generate_presigned_url("get_object", Params=where)
    return address.partition("?")[0]
