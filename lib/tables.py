"""Small tables that notebooks show, in Portuguese.

Belongs here: headings and order. Does not belong here: the numbers.
"""

from collections.abc import Mapping

from pandas import DataFrame

from lib import marts, staged_date
from lib.collected import Report
from lib.indicators import Indicator

# Column of energy.by_device -> heading and digits in the monograph.
BY_DEVICE: dict[str, tuple[str, int | None]] = {
    "device_name": ("Dispositivo", None),
    "energy_kwh": ("Energia (kWh)", 2),
    "share_pct": ("Participação (%)", 1),
    "coverage_pct": ("Cobertura (%)", 1),
    "meter_name": ("Medidor", None),
}


def shown(frame: DataFrame, columns: Mapping[str, tuple[str, int | None]]) -> DataFrame:
    """The columns of a frame that the monograph prints, with its headings and digits."""
    digits = {column: places for column, (_, places) in columns.items() if places is not None}
    headings = {column: heading for column, (heading, _) in columns.items()}
    return frame[[*columns]].round(digits).rename(columns=headings)


def _one_column(rows: Mapping[str, object]) -> DataFrame:
    return DataFrame({"valor": [*rows.values()]}, index=[*rows], dtype=object)


def collected(report: Report) -> DataFrame:
    """What a collection asked for and got."""
    return _one_column(
        {
            "janelas pedidas": report.planned,
            "janelas confirmadas": report.confirmed,
            "das quais conferidas de novo": report.again,
            "janelas por confirmar": report.left,
            "janelas fora da cota": len(report.left_out),
            "linhas recebidas": report.rows,
            "chamadas à nuvem": report.calls,
            "segundos": round(report.seconds, 1),
        }
    )


def staged(report: staged_date.Report) -> DataFrame:
    """How raw rows became staged ones: the rows read are the sum of the four lines below them."""
    return _one_column(
        {
            "arquivos novos": report.files,
            "datas refeitas": len(report.dates),
            "linhas lidas": report.rows_in,
            "linhas tratadas": report.staged,
            "linhas repetidas": report.duplicate,
            "linhas em conflito": report.conflicting,
            "linhas em quarentena": report.quarantined_rows,
            "arquivos em quarentena": len(report.quarantined),
            "segundos": round(report.seconds, 1),
        }
    )


def built(report: marts.Report) -> DataFrame:
    """Which dates were rebuilt."""
    return _one_column(
        {
            "datas refeitas (UTC)": len(report.dates),
            "primeira": report.dates[0] if report.dates else "—",
            "última": report.dates[-1] if report.dates else "—",
            "datas locais refeitas": len(report.local_dates),
            "segundos": round(report.seconds, 1),
        }
    )


def indicators(numbers: Mapping[str, Indicator]) -> DataFrame:
    """Each indicator with its key, value and unit."""
    return DataFrame(
        [(i.label, i.value, i.unit) for i in numbers.values()],
        columns=["indicador", "valor", "unidade"],
        index=[*numbers],
    )


# What the notebook on the quality of data shows, and of it the monograph.
LOSSES_BY_CAUSE: dict[str, tuple[str, int | None]] = {
    "kind_name": ("Situação", None),
    "cause_name": ("Causa", None),
    "windows": ("Janelas", 0),
    "devices": ("Dispositivos", 0),
    "lost_h": ("Tempo (h)", 1),
}
LOST_WINDOWS: dict[str, tuple[str, int | None]] = {
    "start_text": ("Início", None),
    "end_text": ("Fim", None),
    "cause_name": ("Causa", None),
    "devices": ("Dispositivos", 0),
    "lost_h": ("Tempo (h)", 1),
}
LEDGER: dict[str, tuple[str, int | None]] = {
    "device_name": ("Dispositivo", None),
    "lost_start": ("Início (UTC)", None),
    "lost_end": ("Fim (UTC)", None),
    "cause": ("Causa", None),
    "code": ("Código", None),
    "detail": ("Detalhe", None),
}
