"""The three ways in which a call to SQS or SNS fails. They are kombu's errors, and Elastiq's."""

from __future__ import annotations

from kombu.exceptions import OperationalError

from app.errors import ConfigurationError, TransientError


class Unavailable(OperationalError, TransientError):
    """AWS or the network did not answer as it should; the same call may work later."""


class Refused(OperationalError, ConfigurationError):
    """AWS refused the call: credentials, policy or parameters are wrong."""


class Denied(Refused):
    """These credentials may not, or are none: no other message fares better."""


class QueueMissing(Refused):
    """The queue or topic does not exist."""
