"""Control charts against published tables; each case names its source in reference_spc.json."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import spc

REFERENCE = json.loads(Path(__file__).with_name("reference_spc.json").read_text("utf-8"))
SPC: dict[str, Any] = REFERENCE["spc"]
PUBLISHED: dict[str, Any] = REFERENCE["cusum_published"]
MONTGOMERY = SPC["montgomery_table_9_1"]
TWO_DECIMALS = 0.0051
NAN = math.nan


def test_the_copied_values_are_those_of_the_reference(shared_data: Path) -> None:
    original = json.loads((shared_data / "cusum" / "cusum_published.json").read_text("utf-8"))
    assert original == PUBLISHED
    values = shared_data.parent / "reference" / "reference_values.json"
    if not values.exists():
        pytest.skip(f"no {values}")
    assert json.loads(values.read_text("utf-8"))["spc"] == SPC


# ---- CUSUM -------------------------------------------------------------------------------


def test_montgomerys_table_9_1() -> None:
    """Montgomery, Introduction to Statistical Quality Control, Example 9.1, Table 9.2."""
    chart = spc.cusum(MONTGOMERY["data"], 10, 1, k=0.5, h=5)
    assert chart["c_plus"].to_numpy() == pytest.approx(MONTGOMERY["C_plus"], abs=TWO_DECIMALS)
    assert chart["c_minus"].to_numpy() == pytest.approx(MONTGOMERY["C_minus"], abs=TWO_DECIMALS)
    assert chart["n_plus"].tolist() == MONTGOMERY["N_plus"]
    assert chart["n_minus"].tolist() == MONTGOMERY["N_minus"]
    assert float(chart["c_plus"].iloc[29]) == pytest.approx(
        PUBLISHED["montgomery_example_9_1"]["c_plus_30"], abs=TWO_DECIMALS
    )


def test_montgomerys_signal_at_29_dates_the_change_after_22_and_the_mean_at_11_25() -> None:
    """Montgomery, Example 9.1: signal at period 29, N+ = 7, change after 22, mean 11.25."""
    data = MONTGOMERY["data"]
    (found,) = spc.signals(spc.cusum(data, 10, 1), data, 10, 1)
    expected = PUBLISHED["montgomery_example_9_1"]
    assert found.side == "upper"
    assert found.at + 1 == expected["first_signal_period"] == 29
    assert found.count == expected["N_plus_at_signal"] == 7
    assert found.change_after + 1 == expected["last_in_control_period"] == 22
    assert round(found.new_mean, 2) == expected["new_mean_estimate"] == 11.25
    assert found.new_mean == pytest.approx(MONTGOMERY["new_mean_estimate_at_signal"], abs=1e-6)
    assert found.end + 1 == 30  # nothing is set back: the sum is still above H


def test_montgomerys_file_in_the_shared_data(shared_data: Path) -> None:
    """shared/data/cusum/montgomery_example_9_1.csv."""
    with (shared_data / "cusum" / "montgomery_example_9_1.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    chart = spc.cusum([float(row["x"]) for row in rows], 10, 1)
    for name, column in (("c_plus", "c_plus"), ("c_minus", "c_minus")):
        printed = [
            (i, float(r[f"{column}_published"]))
            for i, r in enumerate(rows)
            if r[f"{column}_published"]
        ]
        assert len(printed) >= 2
        for at, value in printed:
            assert float(chart[name].iloc[at]) == pytest.approx(value, abs=TWO_DECIMALS)
    assert chart["n_plus"].tolist() == [int(row["n_plus_recomputed"]) for row in rows]
    assert chart["n_minus"].tolist() == [int(row["n_minus_recomputed"]) for row in rows]


def test_a_head_start_begins_both_sums_at_half_of_h() -> None:
    """Lucas and Crosier (1982), on the data of Montgomery's Table 9.1 (recomputed)."""
    chart = spc.cusum(MONTGOMERY["data"], 10, 1, head_start=0.5)
    assert chart["c_plus"].iloc[:6].to_numpy() == pytest.approx(
        MONTGOMERY["with_FIR_h_over_2_first6_C_plus"], abs=TWO_DECIMALS
    )


def test_nists_cusum() -> None:
    """NIST/SEMATECH e-Handbook, 6.3.2.3: K = 0.3175, H = 4.1959, two decimals printed."""
    case = SPC["nist_cusum_6_3_2_3"]
    chart = spc.cusum(case["data"], case["target"], 1, k=case["K"], h=case["H"])
    assert chart["c_plus"].to_numpy() == pytest.approx(case["S_hi"], abs=TWO_DECIMALS)
    assert chart["c_minus"].to_numpy() == pytest.approx(case["S_lo"], abs=TWO_DECIMALS)
    first = spc.first_signal(chart["upper"] | chart["lower"])
    assert first is not None and first + 1 == case["first_signal_1based"] == 14


def test_a_sum_equal_to_h_is_no_signal() -> None:
    """R qcc, tests/testthat/test-cusum.R: |C| = h is not a violation."""
    case, published = SPC["qcc_cusum_unit_test"], PUBLISHED["qcc_vectors"][0]
    assert case["z"] == published["data"]
    chart = spc.cusum(case["z"], k=case["k"], h=case["h"])
    assert chart["c_plus"].to_numpy() == pytest.approx(published["pos"], abs=1e-12)
    assert (-chart["c_minus"]).to_numpy() == pytest.approx(published["neg"], abs=1e-12)
    assert [i + 1 for i in np.flatnonzero(chart["upper"])] == published["upper_violation_at"] == [3]
    assert [i + 1 for i in np.flatnonzero(chart["lower"])] == published["lower_violation_at"] == [6]


def test_qccs_groups_of_unequal_size() -> None:
    """R qcc, tests/testthat/test-cusum.R: standardised means of groups of 3, 3, 2 and 3."""
    case = PUBLISHED["qcc_vectors"][1]
    groups = case["phase1"] + case["phase2"]
    assert [len(group) for group in groups] == case["sizes"]
    z = [
        math.sqrt(len(group)) * (np.mean(group) - case["center"]) / case["std_dev"]
        for group in groups
    ]
    chart = spc.cusum(z, k=case["se_shift"] / 2, h=case["decision_interval"])
    assert chart["c_plus"].to_numpy() == pytest.approx(case["pos"], abs=1e-12)
    assert not chart["upper"].any()


def test_an_excursion_above_h_is_one_signal_until_the_sum_is_zero() -> None:
    data = [0, 3, 3, 3, -2.5, 3, -9, 0, -3, -3, -3]
    chart = spc.cusum(data, k=0.5, h=5)
    assert np.flatnonzero(chart["upper"]).tolist() == [3, 5]
    upper, lower = spc.signals(chart, data)
    assert (upper.side, upper.at, upper.end, upper.change_after, upper.count) == (
        "upper",
        3,
        5,
        0,
        3,
    )
    assert upper.new_mean == pytest.approx(3)
    assert (lower.side, lower.at) == ("lower", 6) and lower.new_mean == pytest.approx(-9)


def test_a_change_before_the_first_value_is_said_so() -> None:
    (found,) = spc.signals(spc.cusum([6.0, 6.0]), [6.0, 6.0])
    assert (found.at, found.change_after, found.count) == (0, -1, 1)


# ---- Individuals -------------------------------------------------------------------------


def test_nists_individuals() -> None:
    """NIST e-Handbook, 6.3.2.2: limits with d2 = 1.128."""
    case = SPC["nist_individuals_6_3_2_2"]
    sigma = spc.moving_range_sigma(case["data"], d2=case["d2"])
    chart = spc.individuals(float(np.mean(case["data"])), sigma)
    assert chart.center == pytest.approx(case["mean"])
    assert sigma * case["d2"] == pytest.approx(case["MRbar"], abs=1e-6)
    assert (chart.lower, chart.upper) == pytest.approx((case["LCL"], case["UCL"]), abs=5e-6)
    assert not chart.beyond(case["data"]).any()


def test_sas_tires() -> None:
    """SAS/QC User's Guide, Example 9.4: exact d2 = 2 / sqrt(pi)."""
    case = SPC["sas_tires_individuals"]
    sigma = spc.moving_range_sigma(case["data"])
    chart = spc.individuals(float(np.mean(case["data"])), sigma)
    assert sigma == pytest.approx(case["sigma"], abs=1e-6)
    assert chart.center == pytest.approx(case["mean"], abs=5e-5)
    assert (chart.lower, chart.upper) == pytest.approx((case["LCL"], case["UCL"]), abs=5e-5)
    assert chart.range_upper == pytest.approx(case["UCL_MR"], abs=5e-5)


def test_qccs_viscosity() -> None:
    """R qcc, data/viscosity.txt, after Montgomery, 5th edition: batch 4 is out."""
    case = SPC["qcc_viscosity"]
    assert spc.moving_range_sigma(case["phase1"]) == pytest.approx(case["sigma_exact_d2"], abs=1e-6)
    sigma = spc.moving_range_sigma(case["phase1"], d2=1.128)
    assert sigma == pytest.approx(PUBLISHED["qcc_doc_summaries"][1]["std_dev"], abs=1e-6)
    chart = spc.individuals(float(np.mean(case["phase1"])), sigma)
    assert chart.center == pytest.approx(case["mean"])
    limits = (case["LCL_d2_1.128"], case["UCL_d2_1.128"])
    assert (chart.lower, chart.upper) == pytest.approx(limits, abs=1e-6)
    out = np.flatnonzero(chart.beyond(case["phase1"] + case["phase2"])) + 1
    assert out.tolist() == case["out_of_limits_1based"] == [4]


def test_the_constants_of_two_values() -> None:
    """qcc's exp.R.unscaled for d2; d3 and D4 as Montgomery's appendix has them (from memory)."""
    case = SPC["constants"]
    assert pytest.approx(case["d2_n2"], abs=1e-9) == spc.D2
    assert round(spc.D2, 3) == case["d2_n2_rounded"]
    assert round(spc.D4, 3) == pytest.approx(case["D4_n2"], abs=1e-3)
    assert pytest.approx(case["E2"], abs=2e-3) == 3 / spc.D2
    assert pytest.approx(case["d3_n2"], abs=5e-5) == (spc.D4 - 1) * spc.D2 / 3


def test_sigma_by_moving_range_of_montgomerys_first_twenty() -> None:
    case = MONTGOMERY["moving_range_sigma_first20"]
    first = MONTGOMERY["data"][:20]
    assert spc.moving_range_sigma(first, d2=1.128) == pytest.approx(
        case["sigma_d2_1.128"], abs=1e-6
    )
    assert spc.moving_range_sigma(first) == pytest.approx(case["sigma_d2_exact"], abs=1e-6)
    assert np.nanmean(spc.moving_ranges(first)) == pytest.approx(case["MRbar"])


def test_the_robust_sigma_does_not_see_an_outlier() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(50, 2, 4000)
    assert spc.robust_sigma(values) == pytest.approx(2, rel=0.05)
    assert spc.robust_sigma([*values, 1e6]) == pytest.approx(spc.robust_sigma(values), rel=0.01)
    assert math.isnan(spc.robust_sigma([NAN])) and math.isnan(spc.moving_range_sigma([1.0]))


@pytest.mark.parametrize("phi", SPC["autocorrelation"]["ar1_mr_sigma_ratio"]["phi"])
def test_correlated_values_make_the_moving_range_too_small(phi: float) -> None:
    """E(MR)/d2 = sigma sqrt(1 - phi) for AR(1) (derived; energy-analysis 3.4)."""
    case = SPC["autocorrelation"]["ar1_mr_sigma_ratio"]
    expected = case["sigma_MR/sigma_x"][case["phi"].index(phi)]
    rng, x = np.random.default_rng(7), np.zeros(200_000)
    noise = rng.standard_normal(len(x)) * math.sqrt(1 - phi**2)
    x[0] = rng.standard_normal()
    for at in range(1, len(x)):
        x[at] = phi * x[at - 1] + noise[at]
    assert spc.moving_range_sigma(x) == pytest.approx(expected, rel=0.01)


# ---- EWMA --------------------------------------------------------------------------------


def test_nists_ewma() -> None:
    """NIST e-Handbook, 6.3.2.4: lambda 0.3, no signal; limits at their asymptote."""
    case = SPC["nist_ewma_6_3_2_4"]
    chart = spc.ewma(case["data"], case["mu0"], case["sigma"], case["lambda"], case["L"])
    assert chart["z"].to_numpy() == pytest.approx(case["z"], abs=TWO_DECIMALS)
    last = chart.iloc[-1]
    # The handbook prints 47.4115 where its own formula gives 47.4116.
    assert (last["lower"], last["upper"]) == pytest.approx((case["LCL"], case["UCL"]), abs=2e-4)
    assert int(chart["signal"].sum()) == case["signals"] == 0


def test_ewma_of_montgomerys_table_signals_at_29() -> None:
    """lambda 0.1, L 2.7 on Montgomery's Table 9.1 (recomputed; 28 in the book is from memory)."""
    case = MONTGOMERY["ewma_lambda_0.1_L_2.7"]
    chart = spc.ewma(MONTGOMERY["data"], 10, 1, 0.1, 2.7)
    assert chart["z"].to_numpy() == pytest.approx(case["z"], abs=6e-5)
    assert chart["upper"].iloc[:5].to_numpy() == pytest.approx(case["UCL_1_to_5"], abs=TWO_DECIMALS)
    assert spc.ewma([10.0] * 500, 10, 1, 0.1, 2.7)["upper"].iloc[-1] == pytest.approx(
        case["UCL_asymptotic"], abs=1e-6
    )
    first = spc.first_signal(chart["signal"])
    assert first is not None and first + 1 == case["first_signal_period_1based"] == 29


# ---- Properties --------------------------------------------------------------------------

VALUES = st.lists(st.floats(-6, 6).map(lambda x: round(x, 3)), min_size=2, max_size=40)


@given(VALUES, st.floats(-1000, 1000).map(lambda x: round(x, 2)))
def test_a_constant_added_to_the_data_moves_the_limits_by_it(
    values: list[float], constant: float
) -> None:
    sigma = spc.moving_range_sigma(values)
    moved = [value + constant for value in values]
    assert spc.moving_range_sigma(moved) == pytest.approx(sigma, abs=1e-9)
    assert spc.robust_sigma(moved) == pytest.approx(spc.robust_sigma(values), abs=1e-9)
    before, after = spc.individuals(0.0, sigma), spc.individuals(constant, sigma)
    assert after.upper - before.upper == pytest.approx(constant)
    assert after.lower - before.lower == pytest.approx(constant)
    sums, shifted = spc.cusum(values), spc.cusum(moved, constant)
    assert shifted["c_plus"].to_numpy() == pytest.approx(sums["c_plus"].to_numpy(), abs=1e-8)


# A signal is strict: powers of two keep the arithmetic exact where the sum meets H.
EIGHTHS = st.lists(st.integers(-48, 48).map(lambda n: n / 8), min_size=1, max_size=40)


@given(EIGHTHS, st.integers(-64, 64), st.sampled_from([0.25, 0.5, 2.0, 8.0]))
def test_standardising_the_data_changes_no_signal(
    values: list[float], center: int, sigma: float
) -> None:
    data = [center + sigma * value for value in values]
    raw, standard = spc.cusum(data, center, sigma), spc.cusum(values)
    assert raw[["upper", "lower", "n_plus", "n_minus"]].equals(
        standard[["upper", "lower", "n_plus", "n_minus"]]
    )
    assert (raw["c_plus"] / sigma).tolist() == standard["c_plus"].tolist()
    assert [(s.at, s.change_after) for s in spc.signals(raw, data, center, sigma)] == [
        (s.at, s.change_after) for s in spc.signals(standard, values)
    ]


@given(EIGHTHS, st.data())
def test_days_that_are_not_known_change_nothing(values: list[float], data: st.DataObject) -> None:
    at = data.draw(st.lists(st.integers(0, len(values)), max_size=6))
    held = np.insert(np.array(values, float), at, NAN)
    known = ~np.isnan(held)
    for chart in (spc.cusum, lambda x: spc.ewma(x, 0.0, 1.0)):
        with_gaps, without = chart(held), chart(values)
        assert with_gaps[known].reset_index(drop=True).equals(without)
        after = with_gaps.iloc[1:].reset_index(drop=True)[~known[1:]]
        before = with_gaps.iloc[:-1].reset_index(drop=True)[~known[1:]]
        names = [name for name in with_gaps if name not in ("upper", "lower", "signal")]
        if chart is spc.cusum:
            assert after[names].equals(before[names])
    flagged = spc.cusum(held)
    assert not flagged.loc[~known, ["upper", "lower"]].to_numpy().any()
    gaps, whole = spc.signals(flagged, held), spc.signals(spc.cusum(values), values)
    assert [(s.side, s.count, s.new_mean) for s in gaps] == [
        (s.side, s.count, s.new_mean) for s in whole
    ]
