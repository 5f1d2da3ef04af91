"""What a run can end with, besides well."""


class Violation(Exception):  # noqa: N818 - it is what the checks are about
    """Something happened that must never happen; the message says what."""
