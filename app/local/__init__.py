"""The embedded cloud: SQS, S3 and SNS on loopback, for one machine without an AWS account."""

from app.local.cloud import EmbeddedCloud

__all__ = ["EmbeddedCloud"]
