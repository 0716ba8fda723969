"""The log: console and rotating file behind a queue, so that neither a slow nor a full disk holds up the job.

Secrets are masked as each line is written, as a last net. Nothing is set up at import.
"""

from aforo.logging_setup.setup import logging_to

__all__ = ["logging_to"]
