"""ministack as the account wants it: with the public parameters that name Canonical's images, as AWS has them."""

from __future__ import annotations

import sys

from ministack.app import main
from ministack.services import ssm

IMAGE = "ami-0123456789abcdef0"
_NAME = "/aws/service/canonical/ubuntu/server/24.04/stable/current/{}/hvm/ebs-gp3/ami-id"

if __name__ == "__main__":
    for architecture in ("amd64", "arm64"):
        ssm._PUBLIC_AMI_PARAMETERS[_NAME.format(architecture)] = IMAGE
    sys.argv = ["ministack"]
    main()
