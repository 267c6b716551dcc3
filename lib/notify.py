"""Sending words to the user's own addresses: the only importer of apprise.

Belongs here: TCC_NOTIFY and sending. Does not belong here: what is said, and when
(`alarms.py`). The addresses hold tokens and passwords: they are secrets.
"""

import apprise

from lib.credentials import environment


def addresses() -> list[str]:
    """The addresses of TCC_NOTIFY, separated by blanks or commas; none where it is empty."""
    told = environment().notify
    return told.get_secret_value().replace(",", " ").split() if told else []


def send(title: str, body: str) -> bool:
    """Send to every address; whether all took it. Without an address nothing is sent."""
    box = apprise.Apprise()
    known = [box.add(address) for address in addresses()]
    return all(known) and bool(box.notify(title=title, body=body)) if known else False
