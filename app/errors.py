"""The errors that Elastiq raises on purpose, in one tree.

    ElastiqError
    ├── ConfigurationError    a setting, a bucket or a queue is wrong; a person must act
    ├── PermanentError        this input can never work; trying again is useless
    │   ├── InvalidImage      the bytes are not an image that we take
    │   ├── InvalidKey        no image can have this key
    │   ├── ImageExists       the input bucket has another image of this key
    │   ├── ImageNotFound     no such object in the input bucket
    │   └── MalformedAnnouncement  what another process said is not what it should be
    └── TransientError        the world is in the way; the same call may work later

Some have kinds of their own where they are raised: `app.sqs.errors`, `autoscaler.fleet.NoRoom`. Only a `TransientError`
is retried. `web` maps the tree to HTTP in one table, and refuses a request by HTTP's own errors.
"""


class ElastiqError(Exception):
    """The root: catch it at an edge, never in the middle."""


class ConfigurationError(ElastiqError):
    """A setting, a credential, a bucket or a queue is wrong; the message says which and what to do."""


class PermanentError(ElastiqError):
    """This input can never work."""


class InvalidImage(PermanentError):
    """The bytes are not an image that we take; the message is the reason shown to the user."""


class InvalidKey(PermanentError):
    """No object can have this key, or its result would be taken for another's."""


class ImageExists(PermanentError):
    """The input bucket already has another image of this key."""


class ImageNotFound(PermanentError):
    """The input bucket has no object of this key."""


class MalformedAnnouncement(PermanentError):
    """What another process announced is not as ours announce it; the message says what is wrong with it."""


class TransientError(ElastiqError):
    """A service did not answer as it should; the same call may work later."""
