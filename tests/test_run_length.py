"""Average run lengths against published tables; each case names its source."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib import run_length

SPC: dict[str, Any] = json.loads(Path(__file__).with_name("reference_spc.json").read_text("utf-8"))[
    "spc"
]
TWO = SPC["arl_cusum_two_sided_k0.5"]
ONE = SPC["arl_cusum_one_sided"]
EWMA = SPC["arl_ewma_two_sided_fixed_limits"]


def printed(value: float) -> float:
    """Half of the last of three printed digits, which a published table may be off by."""
    return 0.5001 * 10 ** (math.floor(math.log10(abs(value))) - 2)


@pytest.mark.parametrize("h", [4, 5])
@pytest.mark.parametrize("at", range(10))
def test_the_two_sided_cusum(h: int, at: int) -> None:
    """h = 4: Lucas and Crosier (1982), Table 1; h = 5: Montgomery, Table 9.3 (465, 10.4)."""
    shift = TWO["shift_sigma"][at]
    arl = run_length.cusum_two_sided(0.5, h, shift)
    assert arl == pytest.approx(TWO[f"h{h}"][at], abs=0.0051)
    assert arl == pytest.approx(TWO[f"h{h}_printed"][at], abs=printed(arl))


@pytest.mark.parametrize("at", range(10))
def test_the_head_start_of_half_h(at: int) -> None:
    """Lucas and Crosier (1982), FIR column at h = 4; h = 5 recomputed."""
    shift = TWO["shift_sigma"][at]
    arl = run_length.cusum_two_sided(0.5, 4, shift, head_start=0.5)
    assert arl == pytest.approx(TWO["h4_FIR_h_over_2"][at], abs=0.0051)
    # The table prints 1.32 at 3 sigma where the equation gives 1.3253.
    assert arl == pytest.approx(TWO["h4_FIR_printed"][at], abs=max(printed(arl), 0.0055))
    five = run_length.cusum_two_sided(0.5, 5, shift, head_start=0.5)
    assert five == pytest.approx(TWO["h5_FIR_h_over_2"][at], abs=0.0051)


def test_465_is_two_sided_and_931_one_sided() -> None:
    """Montgomery, 9.1.4, and cusum_published.json: 465 in control, 10.4 and 8.38 at 1 sigma."""
    assert round(run_length.cusum_two_sided(0.5, 5)) == 465
    assert round(run_length.cusum_two_sided(0.5, 5, 1), 1) == 10.4
    assert round(run_length.cusum_two_sided(0.5, 4, 1), 2) == 8.38
    assert run_length.cusum_one_sided(0.5, 5) == pytest.approx(ONE["k0.5_h5_mu0"], abs=0.006)
    assert run_length.cusum_one_sided(0.5, 4) == pytest.approx(ONE["k0.5_h4_mu0"], abs=0.006)


def test_brook_and_evans() -> None:
    """Brook and Evans (1972), quoted in R spc: 117.59 and 3.75 at k = 0.5, h = 3."""
    assert run_length.cusum_one_sided(0.5, 3) == pytest.approx(ONE["k0.5_h3_mu0"], abs=6e-5)
    assert run_length.cusum_one_sided(0.5, 3, 1.5) == pytest.approx(ONE["k0.5_h3_mu1.5"], abs=6e-5)


@pytest.mark.parametrize("at", range(8))
def test_vance(at: int) -> None:
    """Vance (1986), k = 0, h = 10, quoted in R spc; the last digits differ by 3 in 100,000."""
    case = ONE["vance_k0_h10"]
    arl = run_length.cusum_one_sided(0, 10, case["mu"][at])
    assert arl == pytest.approx(case["arl"][at], rel=3.5e-5, abs=0.006)


def test_sas_with_and_without_a_head_start() -> None:
    """SAS/QC, CUSUMARL: k = 0.25, h = 8, shift 2.5; with a head start of 0.1 sigma."""
    case = ONE["sas_k0.25_h8_mu2.5"], ONE["sas_same_hs0.1"]
    assert run_length.cusum_one_sided(0.25, 8, 2.5) == pytest.approx(case[0], abs=2e-7)
    assert run_length.cusum_one_sided(0.25, 8, 2.5, 0.1) == pytest.approx(case[1], abs=2e-7)


@pytest.mark.parametrize("at", range(10))
def test_siegmunds_approximation(at: int) -> None:
    """Siegmund (1985), b = h + 1.166; recomputed."""
    shift = TWO["shift_sigma"][at]
    for h in (4, 5):
        arl = run_length.siegmund_two_sided(0.5, h, shift)
        assert arl == pytest.approx(TWO[f"siegmund_h{h}"][at], abs=0.0051)


def test_siegmunds_approximation_of_one_side() -> None:
    """Montgomery, 9.1.4: ARL0 of 938.2 for one side; and b squared where the drift is zero."""
    assert run_length.siegmund_one_sided(0.5, 5) == pytest.approx(
        ONE["siegmund_k0.5_h5_mu0"], abs=5e-6
    )
    assert run_length.siegmund_one_sided(0.5, 5, 1) == pytest.approx(
        ONE["siegmund_k0.5_h5_mu1"], abs=1e-6
    )
    assert run_length.siegmund_one_sided(0.5, 5, 0.5) == pytest.approx(6.166**2)
    near = run_length.siegmund_one_sided(0.5, 5, 0.5 + 1e-5)
    assert near == pytest.approx(6.166**2, rel=1e-3)


def test_h_for_a_false_alarm_in_370_values() -> None:
    """Montgomery, Table 9.4 (from memory; it prints 1.61 at k = 1.5, the equation 1.6045)."""
    case = SPC["h_for_two_sided_arl0_370"]
    found = [run_length.decision_interval(370, k) for k in case["k"]]
    assert found == pytest.approx(case["h"], abs=0.0051)
    assert run_length.cusum_two_sided(0.5, found[1]) == pytest.approx(370, abs=0.01)


@pytest.mark.parametrize(
    ("name", "weight", "width"), [("lambda0.5_L2", 0.5, 2.0), ("lambda0.1_L2.7", 0.1, 2.7)]
)
def test_the_ewma(name: str, weight: float, width: float) -> None:
    """Crowder (1987) and Lucas and Saccucci (1990), quoted in R spc."""
    found = [run_length.ewma_two_sided(weight, width, shift) for shift in EWMA[name]["mu"]]
    assert found == pytest.approx(EWMA[name]["arl"], abs=0.0065)


@pytest.mark.parametrize(("weight", "width"), EWMA["arl0_500_pairs"])
def test_the_ewmas_of_a_false_alarm_in_500_values(weight: float, width: float) -> None:
    """Lucas and Saccucci (1990), Table 3: L printed with three decimals."""
    assert run_length.ewma_two_sided(weight, width) == pytest.approx(500, abs=1.2)


def test_shewharts_chart() -> None:
    """Closed form."""
    case = SPC["arl_shewhart_3sigma_individuals"]
    found = [run_length.shewhart(shift) for shift in case["mu"]]
    assert found == pytest.approx(case["arl"], abs=0.0051)


@pytest.mark.parametrize("at", range(4))
def test_correlation_brings_more_false_alarms(at: int) -> None:
    """AR(1) with the true sigma: 465, 93, 50, 34 (energy-analysis 3.4, simulated, +-10 %)."""
    case = SPC["autocorrelation"]["cusum_k0.5_h5_arl0_simulated_ar1_true_sigma"]
    mean, error = run_length.simulated(0.5, 5, phi=case["phi"][at])
    assert mean == pytest.approx(case["arl0"][at], rel=0.1)
    assert 0 < error < 0.05 * mean


@pytest.mark.parametrize(("shift", "head_start"), [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (2.0, 0.5)])
def test_simulation_and_integral_equation_agree(shift: float, head_start: float) -> None:
    mean, error = run_length.simulated(0.5, 4, shift, head_start=head_start)
    assert abs(mean - run_length.cusum_two_sided(0.5, 4, shift, head_start)) < 3.5 * error
    assert (mean, error) == run_length.simulated(0.5, 4, shift, head_start=head_start)


def test_the_comparison_has_a_row_for_each_shift_and_every_chart() -> None:
    table = run_length.comparison(0.5, 5, 0.1, 2.814, (0.0, 1.0))
    assert table["shift_sigma"].tolist() == [0, 1]
    first = table.iloc[0]
    assert round(first["cusum"]) == 465 and round(first["shewhart"]) == 370
    assert first["ewma"] == pytest.approx(500, abs=1) and round(first["siegmund"]) == 469
    assert abs(first["simulated"] - first["cusum"]) < 3 * first["simulated_error"]
    assert (table["cusum_fir"] < table["cusum"]).all()


def test_parameters_of_four_weeks_leave_little_of_the_nominal_run_length() -> None:
    four_weeks = run_length.with_estimates(0.5, 5, 28)
    five_years = run_length.with_estimates(0.5, 5, 1800)
    nominal = run_length.cusum_two_sided(0.5, 5)
    assert float(np.median(four_weeks)) < 0.7 * nominal
    assert float(np.quantile(four_weeks, 0.1)) < 100
    assert float(np.median(five_years)) == pytest.approx(nominal, rel=0.1)
    assert (np.diff(four_weeks) >= 0).all() and np.isfinite(four_weeks).all()


def test_a_head_start_shortens_the_run_of_charts_on_estimates_too() -> None:
    plain = run_length.with_estimates(0.5, 5, 28, runs=60)
    fast = run_length.with_estimates(0.5, 5, 28, runs=60, head_start=0.5)
    assert (fast < plain).all()
    nominal = run_length.cusum_two_sided(0.5, 5, 0.0, 0.5)
    certain = run_length.with_estimates(0.5, 5, 20_000, runs=20, head_start=0.5)
    assert float(np.median(certain)) == pytest.approx(nominal, rel=0.05)
