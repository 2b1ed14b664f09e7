"""Batches whose images are in S3 already: published, counted, and their results put together."""
