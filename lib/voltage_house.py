"""The voltage of a house as a whole: everything the page needs, and what is to be said of it.

Belongs here: the steps from slots to the judged house, in their order, and the findings. Does
not belong here: the rules of each step (`voltage.py`, `voltage_meters.py`,
`voltage_error.py`), drawing, printing.
"""

from collections.abc import Collection
from dataclasses import dataclass

from pandas import DataFrame, Series

from lib import voltage, voltage_error, voltage_meters
from lib.config import Voltage
from lib.findings import Finding
from lib.portuguese import number
from lib.voltage import Limits

INDICATIVE = "resultado indicativo"
SPARSE_PCT = 50.0  # a set of which so little was valid spans more than two weeks


@dataclass(frozen=True)
class House:
    """Judged readings, sets and sums of the devices of one nominal voltage.

    Frames as `voltage.judged`, `voltage.sets` and `voltage_meters.by_device`, `deviations` and
    `voltage_error.sensitivity` give them; `reference` is a device's id, "" without any;
    `left_out` are devices of another nominal voltage (device_id, device_name, median_v).
    """

    given: Limits
    rule: Voltage
    rows: DataFrame
    sets: DataFrame
    devices: DataFrame
    reference: str
    deviations: DataFrame
    sensitivity: DataFrame
    left_out: DataFrame

    @property
    def own(self) -> DataFrame:
        """The reference's judged readings."""
        return self.rows[self.rows["device_id"] == self.reference]

    @property
    def own_sets(self) -> DataFrame:
        """The reference's sets."""
        return self.sets[self.sets["device_id"] == self.reference]

    @property
    def summary(self) -> "Series[float]":
        """The reference's row of `devices`; empty without a reference."""
        found = self.devices[self.devices["device_id"] == self.reference]
        return found.iloc[0] if len(found) else Series(dtype=float)

    @property
    def dead_band_v(self) -> float:
        """The dead band at the nominal voltage. [V]"""
        return self.rule.dead_band_pct / 100 * self.given.nominal_v


def assess(
    slots: DataFrame, nominal_v: float, rule: Voltage, *, span_s: float, mains: Collection[str] = ()
) -> House:
    """Judge ten-minute means (as `Study.voltage`) by the limits of a nominal voltage. [V, s]

    Raises ConfigError for a nominal voltage that is none.
    """
    given = voltage.limits(nominal_v)
    means = voltage.valid(slots, rule.valid_pct)
    here = voltage.of_nominal(means, given)
    rows = voltage.judged(means[here].reset_index(drop=True), given)
    sets = voltage.sets(rows, given)
    devices = voltage_meters.by_device(rows, sets, given, span_s)
    reference = voltage_meters.reference(devices, mains)
    band_v = rule.dead_band_pct / 100 * given.nominal_v
    errors = voltage_error.sensitivity(
        rows[rows["device_id"] == reference],
        given,
        dead_band_pct=rule.dead_band_pct,
        reading_error_pct=rule.reading_error_pct,
    )
    apart = voltage_meters.deviations(rows, reference, band_v)
    left_out = _medians(means[~here])
    return House(given, rule, rows, sets, devices, reference, apart, errors, left_out)


def _medians(means: DataFrame) -> DataFrame:
    own = means.groupby("device_id", as_index=False)
    return own.agg(device_name=("device_name", "last"), median_v=("voltage_v", "median"))


def findings(house: House) -> list[Finding]:
    """Sets above the limits, meters that disagree, too little data, other nominal voltages."""
    found = [_other_nominal(house)] if len(house.left_out) else []
    if not house.reference:
        text = f"Nenhuma média válida de tensão para {_volts(house.given.nominal_v, 0)}."
        return [*found, Finding("tcc.voltage.none", text, {"nominal_v": house.given.nominal_v})]
    found += _of_reference(house) + _of_others(house)
    apart = house.deviations[house.deviations["deviation_v"].abs() > house.dead_band_v]
    names = house.devices.set_index("device_id")["device_name"]
    for device, deviation_v in zip(apart["device_id"], apart["deviation_v"], strict=True):
        found.append(_apart(str(names[device]), float(deviation_v), house))
    return found


def _volts(value: float, digits: int = 1) -> str:
    return f"{number(value, digits)} V"


def _of_reference(house: House) -> list[Finding]:
    """What the reference's own sets say."""
    name, sets = str(house.summary["device_name"]), house.own_sets
    whole = voltage.complete(sets)
    found = []
    if whole.empty:
        found.append(_too_little(name, int(sets["n"].sum())))
    if above := int((sets["verdict"] == voltage.ABOVE).sum()):
        found.append(_above(name, above, len(sets), house.summary))
    if outside := int((sets["en_verdict"] == voltage.OUTSIDE).sum()):
        text = f"{name}: {outside} de {len(sets)} conjunto(s) fora da EN 50160 ({INDICATIVE})."
        found.append(Finding("tcc.voltage.en50160", text, {"sets": outside, "of": len(sets)}))
    if len(whole) and voltage_error.depends(house.sensitivity):
        found.append(_uncertain(name, house))
    if sparse := int((whole["coverage_pct"] < SPARSE_PCT).sum()):
        text = f"{name}: {sparse} conjunto(s) de 1.008 leituras se estendem por mais de duas "
        text += "semanas, por falta de leituras válidas."
        found.append(Finding("tcc.voltage.sparse", text, {"sets": sparse}))
    return found


def _above(name: str, above: int, of: int, row: "Series[float]") -> Finding:
    drp_pct, drc_pct = float(row["drp_max_pct"]), float(row["drc_max_pct"])
    text = f"{name}: {above} de {of} conjunto(s) acima dos limites de DRP* (3 %) ou DRC* (0,5 %)"
    if drp_pct == drp_pct:
        text += f"; os maiores são {number(drp_pct, 2)} % e {number(drc_pct, 2)} %"
    data = {"sets": above, "of": of, "drp_max_pct": drp_pct, "drc_max_pct": drc_pct}
    return Finding("tcc.voltage.above", f"{text} ({INDICATIVE}).", data)


def _too_little(name: str, n: int) -> Finding:
    text = f"{name}: só {number(n)} leituras válidas de tensão; DRP* e DRC* pedem 1.008 e só têm "
    text += "limites inferior e superior."
    return Finding("tcc.voltage.too_little", text, {"device": name, "n": n})


def _uncertain(name: str, house: House) -> Finding:
    counts = house.sensitivity.set_index("scenario")["sets_above"]
    least, most = (int(counts[voltage_error.SCENARIOS[key]]) for key in ("least", "most"))
    text = f"{name}: conforme o erro dentro da faixa morta de {number(house.rule.dead_band_pct, 1)}"
    text += f" %, de {least} a {most} conjunto(s) ficam acima dos limites de DRP* ou DRC*."
    return Finding("tcc.voltage.uncertain", text, {"least": least, "most": most})


def _of_others(house: House) -> list[Finding]:
    """How many other meters have sets above the limits; they see the same network."""
    others = house.devices[house.devices["device_id"] != house.reference]
    above = int((others["sets_above"] > 0).sum())
    if not above:
        return []
    text = f"{above} de {len(others)} outro(s) medidor(es) têm conjuntos acima dos limites "
    text += f"de DRP* ou DRC* ({INDICATIVE})."
    return [Finding("tcc.voltage.others_above", text, {"devices": above, "of": len(others)})]


def _apart(name: str, deviation_v: float, house: House) -> Finding:
    text = (
        f"{name}: lê {_volts(abs(deviation_v))} {'a mais' if deviation_v > 0 else 'a menos'} que "
    )
    text += f"{house.summary['device_name']} (mediana), mais que a faixa morta de "
    text += f"{_volts(house.dead_band_v)}."
    return Finding("tcc.voltage.apart", text, {"device": name, "deviation_v": deviation_v})


def _other_nominal(house: House) -> Finding:
    names, medians_v = list(house.left_out["device_name"]), house.left_out["median_v"]
    text = f"Fora da análise, por não serem de uma rede de {_volts(house.given.nominal_v, 0)}: "
    text += f"{', '.join(names)} (medianas de {number(medians_v.min(), 1)} a "
    text += f"{_volts(medians_v.max())}). Confira site.nominal_voltage_v, ou execute o caderno "
    text += "com a tensão nominal dessas tomadas."
    return Finding("tcc.voltage.other_nominal", text, {"devices": names})
