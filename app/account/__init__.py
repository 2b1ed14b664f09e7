"""The system as a whole in its AWS account: made, looked at, and rid of its dead letters. Behind three commands."""
