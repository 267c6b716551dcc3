"""Text without secrets: what a run writes and prints goes through here.

Belongs here: the ways in which a secret may be written. Does not belong here: where secrets
come from (`credentials.py`).
"""

import html
import json
from urllib.parse import quote

from lib.credentials import secret_values


def redacted(text: str) -> str:
    """A text without any secret that this process knows of, however it is written there."""
    forms = {form for value in secret_values() for form in _forms(value)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def _forms(value: str) -> set[str]:
    """A secret as it stands in plain text, Python, JSON, HTML and an address."""
    plain = {value, repr(value)[1:-1]}
    in_json = {json.dumps(form, ensure_ascii=False)[1:-1] for form in plain}
    return plain | in_json | {html.escape(form) for form in plain} | {quote(value, safe="")}
