"""Images that are in S3 already: where a batch finds them, which it takes, and how far it has come."""
