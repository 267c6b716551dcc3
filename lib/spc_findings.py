"""What the control charts say of the house and of themselves.

Belongs here: findings on signals, devices without a chart, and dependence that is left. Does
not belong here: the charts (`monitor.py`), findings on frozen parameters (`baseline_file.py`).
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from pandas import DataFrame

from lib.findings import Finding
from lib.monitor import SIDE_NAMES
from lib.portuguese import number
from lib.times import brazilian_date

DEPENDENT = 0.05  # below this p of Ljung and Box, what the ARL promises does not hold


def findings(
    found: DataFrame,
    drawn: Mapping[str, DataFrame],
    correlated: DataFrame,
    refused: DataFrame,
) -> list[Finding]:
    """Signals that last, how many passed, charts whose residuals depend, devices without one.

    `found` as `monitor.events`; `correlated` and `refused` as the tables of `tables_spc`.
    """
    said = [_signal(row, drawn[str(row["device_id"])]) for _, row in _lasting(found).iterrows()]
    if passed := len(found) - len(said):
        text = f"{passed} sinal(is) do CUSUM cessaram: a soma voltou para dentro do limite."
        said.append(Finding("tcc.spc.signals_passed", text, {"signals": passed}))
    dependent = correlated[correlated["p_after"] < DEPENDENT]["device_name"].tolist()
    if dependent:
        text = f"Os resíduos de {', '.join(dependent)} ainda dependem dos anteriores; alarmes "
        text += "falsos são mais frequentes do que o ARL informado."
        said.append(Finding("tcc.spc.autocorrelated", text, {"devices": dependent}))
    if len(refused):
        pairs = [f"{row.device_name} ({row.reason})" for row in refused.itertuples()]
        text = f"Sem carta de controle: {'; '.join(pairs)}."
        said.append(Finding("tcc.spc.not_charted", text, {"devices": len(refused)}))
    if not drawn:
        text = "Nenhum dispositivo tem dias bastantes para uma carta de controle."
        said.append(Finding("tcc.spc.no_chart", text))
    return said


def _lasting(found: DataFrame) -> DataFrame:
    return found[found["lasts"].astype(bool)]


def _signal(row: "pd.Series[Any]", chart: DataFrame) -> Finding:
    changed, signalled = (
        brazilian_date(pd.Timestamp(row[name])) for name in ("change_date", "signal_date")
    )
    side, size_wh, pct = str(row["side"]), float(row["size_wh"]), float(row["size_pct"])
    beyond = int((chart["beyond"].astype(bool) & (chart["phase"] == 2)).sum())
    shewhart = f"{beyond} ponto(s)" if beyond else "nenhum ponto"
    text = f"{row['device_name']}: o CUSUM acusa {SIDE_NAMES[side]} desde {signalled}; a mudança "
    text += f"estimada é posterior a {changed}, de {number(abs(size_wh) / 1000, 3)} kWh por dia "
    text += f"({number(abs(pct), 1)} %); {shewhart} além de três desvios-padrão na Fase II."
    data = {"device": row["device_name"], "side": side, "size_wh": size_wh, "beyond": beyond}
    dates = {"signal": signalled, "change_after": changed}
    return Finding("tcc.spc.signal", text, data | dates)
