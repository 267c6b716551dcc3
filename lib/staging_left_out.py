"""What staging leaves out: files that are gone or were taken back, rows that are on no date.

Belongs here: what becomes of them after the dates were built. Does not belong here: building
(`staging.py`), the sentences (`staging_findings.py`).
"""

from lib import found, quarantine, raw
from lib import staging_findings as said
from lib.findings import Finding
from lib.journal import Entry
from lib.raw import Row
from lib.staged_date import Report
from lib.staging_files import Bad, Raw
from lib.times import parse_instant, to_ms


def usable(store: Raw, entry: Entry, report: Report) -> bool:
    """Whether a new file counts; its content is checked when a date is built from it.

    A file without any date is checked here, and so is one that was taken back and lies there.
    """
    file, bad = store.root / entry.file, Bad()
    back = found.taken_back(entry)
    if back and (not file.exists() or quarantine.coming_back(store.paths, file)):
        return False
    report.undated[entry.file] = entry.rows
    if back or not entry.dates:
        content = store.checked(entry.file, entry.packed_sha256, bad)
        if back and content is not None:
            report.undated[entry.file] = len(raw.read(file))
        report.add_bad(bad)
    return True


def take_back_missing(store: Raw, report: Report) -> None:
    """A new file that is gone is a finding, and its window is asked for once more."""
    for name in sorted(report.gone & report.undated.keys() - report.aside):
        entry = store.new[name]
        del report.undated[name]
        if entry.rows:
            report.findings.append(said.missing(entry))
            raw.take_back(store.paths, entry)


def undated(store: Raw, report: Report) -> list[Finding]:
    """Copy rows on no date to the quarantine; a file of nothing else goes there whole.

    The findings of files that stay.
    """
    findings = []
    for name in [name for name, rows in report.undated.items() if rows]:
        file, entry = store.paths.raw / name, store.new.get(name)
        if entry and file.exists():
            rows = raw.read(file)
            absurd = _on_no_date(rows, entry)
            if len(absurd) == len(rows):
                absent = found.no_usable_time(file, len(rows))
                moved = raw.set_aside(store.paths, file, absent, entry, ask_again=False)
                report.set_aside(moved, name, entry)
                continue
            if absurd:
                quarantine.keep_rows(store.paths, file, absurd, len(rows))
            findings.append(said.undated(file, report.undated[name]))
    return findings


def _on_no_date(rows: list[Row], entry: Entry) -> list[Row]:
    """The rows whose time is on none of the dates that the journal has for their file."""
    days = {to_ms(parse_instant(day)) // raw.DAY_MS for day in entry.dates}
    times = ((row, raw.event_time_ms(row)) for row in rows)
    return [row for row, ms in times if ms is None or ms // raw.DAY_MS not in days]
