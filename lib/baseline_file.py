"""The file that keeps Phase I's parameters: frozen once, changed only when asked for.

Belongs here: reading and writing it, which version holds, and what is said where the days or
settings behind it are no longer the same. Does not belong here: how parameters are estimated
(`baseline.py`).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pandas import DataFrame

from lib import baseline
from lib.baseline import Baseline, Refused
from lib.config import ControlChart
from lib.errors import DataError
from lib.files import write_text
from lib.findings import Finding
from lib.paths import Paths
from lib.times import iso

FORMAT = 1


@dataclass(frozen=True)
class Frozen:
    """The baselines that hold, those that could not be made, and what is to be said of them."""

    baselines: dict[str, Baseline] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def file_of(paths: Paths) -> Path:
    """Where a store keeps its baselines."""
    return paths.control / "baselines.json"


def load(file: Path) -> dict[str, list[dict[str, Any]]]:
    """Every version of each device's baseline, the one that holds last. Raises DataError."""
    if not file.exists():
        return {}
    try:
        content = json.loads(file.read_text("utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}, and {FORMAT} is read")
        devices: dict[str, list[dict[str, Any]]] = content["devices"]
        for versions in devices.values():
            Baseline.of(versions[-1]["baseline"])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise DataError(
            f"the frozen parameters cannot be read: {error!r}.",
            where=str(file),
            risk="No chart is drawn: other parameters than those frozen would say something else.",
            remedy="Bring the file back from a copy; or delete it, and the next run freezes anew.",
        ) from error
    return devices


def settle(
    series: Mapping[str, DataFrame],
    settings: ControlChart,
    is_holiday: Callable[[date], bool],
    *,
    file: Path,
    until: datetime,
    refreeze: bool = False,
    may_freeze: bool = True,
) -> Frozen:
    """Give each device its frozen baseline; freeze those that have enough days and have none.

    `series` has the dates of each device. Estimated anew, a baseline joins the history of the
    file, which is written only then; with `may_freeze` false nothing is written, and a baseline
    made here holds for this run alone. Raises DataError.
    """
    held = load(file)
    fresh: dict[str, Baseline] = {}
    refused: dict[str, str] = {}
    findings: list[Finding] = []
    for device, own in series.items():
        if device in held and not refreeze:
            findings += _moved(own, Baseline.of(held[device][-1]["baseline"]), settings)
            continue
        made = baseline.estimate(own, settings, is_holiday)
        if isinstance(made, Refused):
            refused[device] = made.reason
        else:
            fresh[device] = Baseline.of(baseline.as_record(made))  # as the next run will read it
    new = {d: b for d, b in fresh.items() if not _same(held.get(d, []), b)}
    if new and may_freeze:
        _append(file, held, new, until)
    findings += _told(new, held, frozen=may_freeze)
    kept = {d: Baseline.of(v[-1]["baseline"]) for d, v in held.items() if d in series}
    known = refused.keys() & kept.keys()  # asked to freeze anew, but there is nothing to take
    reasons = {device: reason for device, reason in refused.items() if device not in known}
    return Frozen(kept | fresh, reasons, tuple(findings))


def _same(versions: list[dict[str, Any]], made: Baseline) -> bool:
    return bool(versions) and Baseline.of(versions[-1]["baseline"]) == made


def _append(
    file: Path, held: dict[str, list[dict[str, Any]]], new: dict[str, Baseline], until: datetime
) -> None:
    devices = {device: list(versions) for device, versions in held.items()}
    for device, made in new.items():
        own = devices.setdefault(device, [])
        own.append(
            {
                "version": len(own) + 1,
                "frozen_with_data_until": iso(until),
                "baseline": baseline.as_record(made),
            }
        )
    content = {"format": FORMAT, "devices": devices}
    write_text(file, json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def _moved(own: DataFrame, held: Baseline, settings: ControlChart) -> list[Finding]:
    """Findings where the days or settings of a frozen baseline are not what they were."""
    found, name = [], str(own["device_name"].iloc[0])
    changed = baseline.changes(own, held, settings)
    data = {"device": name, "first": held.first, "last": held.last}
    if "days" in changed:
        text = f"{name}: os dias da Fase I mudaram depois de congelados os parâmetros, que "
        text += "continuam os mesmos; use refreeze para estimá-los de novo."
        found.append(Finding("tcc.spc.phase1_changed", text, data))
    if names := changed.get("settings"):
        text = f"{name}: a configuração mudou ({', '.join(names)}) depois de congelados os "
        text += "parâmetros, que continuam os mesmos; use refreeze para aplicá-la."
        found.append(Finding("tcc.spc.settings_changed", text, data | {"settings": names}))
    return found


def _told(new: Mapping[str, Baseline], held: Mapping[str, Any], *, frozen: bool) -> list[Finding]:
    if not new:
        return []
    if not frozen:
        text = f"Parâmetros de {len(new)} carta(s) valem só para esta execução: com um período "
        text += "escolhido nada é congelado."
        return [Finding("tcc.spc.not_frozen", text, {"devices": sorted(new)})]
    again = sorted(new.keys() & held.keys())
    text = f"Parâmetros de {len(new)} carta(s) foram congelados nesta execução"
    text += f", {len(again)} deles de novo." if again else "."
    return [Finding("tcc.spc.frozen", text, {"devices": sorted(new), "again": again})]
