"""Logging for every process: a fixed event name and fields, JSON in production, readable at a terminal."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog

from app.process import spans


def configure(log_format: str, stream: TextIO = sys.stderr) -> None:
    """Send structlog's and the standard library's records to ``stream``, one line each.

    Args:
        log_format: ``json``, ``text`` or ``auto`` (text when ``stream`` is a terminal).
        stream: where the lines go.
    """
    text = log_format == "text" or (log_format == "auto" and stream.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        _add_trace,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[structlog.typing.Processor] = (
        # A field's text is shown quoted, so that a file's name cannot forge a line or steer the terminal.
        [structlog.dev.ConsoleRenderer(colors=stream.isatty(), repr_native_str=True)]
        if text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    for noisy in ("botocore", "boto3", "urllib3", "PIL"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _add_trace(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add the id of the trace that a record belongs to, if there is one."""
    if trace_id := spans.trace_id():
        event["trace_id"] = trace_id
    return event
