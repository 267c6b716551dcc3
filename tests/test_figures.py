"""Figures: drawn in the document's style, saved byte for byte the same, never without a mark."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from pandas import DataFrame

from lib import __version__, figures, plots
from lib.errors import ManuscriptError
from lib.page import Page, Vintage, promote
from lib.paths import ROOT, Paths
from lib.portuguese import number, printable
from tests.conftest import digest

ZONE = "America/Sao_Paulo"


def vintage(**changes: Any) -> Vintage:
    fields: dict[str, Any] = {
        "start": datetime(2026, 2, 14, 3, tzinfo=UTC),
        "end": datetime(2026, 3, 14, 17, tzinfo=UTC),
        "newest_event": datetime(2026, 3, 14, 16, 0, 5, tzinfo=UTC),
        "coverage": 0.98279,
        "rows": 12345,
        "content_hash": "ab12" * 8,
        "simulated": True,
    }
    return Vintage(**fields | changes)


def page_of(folder: Path, **changes: Any) -> Page:
    paths = Paths.at(folder)
    return Page.open(
        paths, "10_energy", vintage=vintage(**changes), time_zone=ZONE, parameters={"start": "x"}
    )


def days(count: int, devices: int, *, coverage: float = 1.0) -> DataFrame:
    dates = pd.date_range("2026-02-14", periods=count).date
    rows = [(day, f"Tomada {d}", 900.0 + 37 * d, coverage) for day in dates for d in range(devices)]
    return DataFrame(rows, columns=["date", "device_name", "energy_wh", "coverage"])


def hours(*kinds: str) -> DataFrame:
    rows = [(k, h, 100.0 + h, 60.0 + h, 180.0 + h, 4) for k in kinds for h in range(24)]
    names = ["day_kind", "hour", "power_w_mean", "power_w_p10", "power_w_p90", "days"]
    return DataFrame(rows, columns=names)


def texts(figure: Figure) -> list[str]:
    figure.canvas.draw()
    found = [t.get_text() for t in figure.texts]
    for axes in figure.axes:
        labels = [*axes.get_xticklabels(), *axes.get_yticklabels(), axes.title, *axes.texts]
        found += [t.get_text() for t in labels]
    return found


def legend(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.legends[0].get_texts()]


def words(pdf: Path) -> str:
    return subprocess.run(
        ["pdftotext", str(pdf), "-"], capture_output=True, text=True, check=True
    ).stdout


def test_a_vintage_says_until_when_and_how_much() -> None:
    said = vintage(simulated=False).sentence(ZONE)
    assert said == "dados até 14 mar. 2026, 13h00, cobertura 98,2 %"
    assert vintage().sentence(ZONE).endswith(", dados simulados")


def test_coverage_is_never_rounded_up() -> None:
    assert "cobertura 99,9 %" in vintage(coverage=0.99999).sentence(ZONE)
    assert "cobertura 100,0 %" in vintage(coverage=1.0).sentence(ZONE)


def test_a_vintage_without_events_says_so() -> None:
    assert vintage(newest_event=pd.NaT).sentence(ZONE).startswith("nenhum dado até 14 mar. 2026")


@pytest.mark.parametrize("coverage", [float("nan"), 1.2, -0.1])
def test_an_impossible_coverage_is_refused(coverage: float) -> None:
    with pytest.raises(ManuscriptError):
        vintage(coverage=coverage)


def test_a_vintage_comes_back_from_its_record() -> None:
    assert Vintage.from_record(vintage().record()).sentence(ZONE) == vintage().sentence(ZONE)


def test_a_figure_has_pdf_png_and_sidecar(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    figure = plots.daily_energy(days(3, 2))
    pdf = figures.save(page, "energia_diaria", figure, caption="Energia diária.")
    sidecar = json.loads(pdf.with_suffix(".json").read_text("utf-8"))
    assert pdf == tmp_path / "figures" / "energia_diaria.pdf"
    assert pdf.with_suffix(".png").stat().st_size > 1000
    assert sidecar["sha256"] == hashlib.sha256(pdf.read_bytes()).hexdigest()
    assert sidecar["caption"] == "Energia diária"
    assert sidecar["window"] == {"start": "2026-02-14T03:00:00Z", "end": "2026-03-14T17:00:00Z"}
    assert sidecar["newest_event"] == "2026-03-14T16:00:05Z"
    assert (sidecar["coverage"], sidecar["rows"]) == (0.98279, 12345)
    assert sidecar["notebook"] == "10_energy"
    assert sidecar["parameters"] == {"start": "x"}
    assert sidecar["simulated"] is True
    assert sidecar["code_version"].startswith(__version__)
    assert {"name", "source", "content_hash", "attribution"} <= sidecar.keys()


DRAW = """
import sys; sys.path.insert(0, "tests")
from pathlib import Path
from test_figures import *
page = page_of(Path(sys.argv[1]))
figures.save(page, "a", plots.daily_energy(days(40, 9, coverage=0.5)), caption="A")
figures.save(page, "b", plots.load_curve(hours("dia útil")), caption="B")
"""


def test_figures_are_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", DRAW, str(tmp_path / seed)],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            check=True,
        )
    for name in ("a.pdf", "b.pdf", "a.png", "b.png"):
        first, second = (tmp_path / seed / "figures" / name for seed in ("1", "2"))
        assert digest(first) == digest(second)


def test_an_invisible_change_leaves_the_bytes_alone(tmp_path: Path) -> None:
    page, frame = page_of(tmp_path), days(3, 2)
    moved = frame.assign(energy_wh=frame["energy_wh"] + 1e-9)
    first = figures.save(page, "a", plots.daily_energy(frame), caption="A")
    before = digest(first)
    assert digest(figures.save(page, "a", plots.daily_energy(moved), caption="A")) == before


def test_fonts_are_embedded(tmp_path: Path) -> None:
    pdf = figures.save(page_of(tmp_path), "a", plots.energy_share(days(3, 3)), caption="A")
    listed = subprocess.run(["pdffonts", str(pdf)], capture_output=True, text=True, check=True)
    rows = listed.stdout.splitlines()[2:]
    assert rows
    assert all(row.split()[-5] == "yes" for row in rows)  # emb sub uni object ID


@pytest.mark.parametrize("simulated", [True, False])
def test_only_simulated_figures_carry_the_mark(tmp_path: Path, simulated: bool) -> None:
    page = page_of(tmp_path, simulated=simulated)
    figure = plots.load_curve(hours("sábado"))
    pdf = figures.save(page, "a", figure, caption="A")
    figures.save(page, "a", figure, caption="A")
    assert ("dados simulados" in words(pdf)) is simulated
    assert sum(t.get_text() == figures.MARK for t in figure.texts) == int(simulated)


def test_a_figure_of_pyplots_kind_is_marked_too(tmp_path: Path) -> None:
    figure = Figure(figsize=(4, 3))
    figure.add_subplot().plot([0.0, 0.5], [0.0, 2.5])
    pdf = figures.save(page_of(tmp_path), "a", figure, caption="A")
    assert "dados simulados" in words(pdf)
    assert "0,5" in texts(figure)


def test_axes_have_decimal_commas_and_dots_between_thousands() -> None:
    figure = plots.energy_share(
        DataFrame({"device_name": ["Chuveiro", "Luz"], "energy_wh": [3_500_000.0, 1_000.0]})
    )
    found = texts(figure)
    assert "1.000" in found
    small = texts(plots.daily_energy(days(2, 1)))
    assert "0,2" in small
    assert not any("." in label for label in small if label[:1].isdigit() and "fev" not in label)


def test_numbers_are_brazilian() -> None:
    assert number(1234567.891, 2) == "1.234.567,89"
    assert number(-0.04, 1) == "0,0"
    assert number(-3.5, 1) == "−3,5"


def test_names_lose_only_what_the_fonts_lack() -> None:
    assert printable("Máquina  de lavar 🧺") == "Máquina de lavar"
    assert printable("🧊") == "?"
    assert printable("Cafe\u0301 – 3 Ω") == "Café – 3 Ω"


@pytest.mark.parametrize("draw", [plots.daily_energy, plots.load_curve, plots.energy_share])
def test_an_empty_frame_gives_a_sentence(draw: Any) -> None:
    assert texts(draw(DataFrame())) == [plots.NO_DATA]


def test_no_energy_at_all_is_a_sentence_too() -> None:
    frame = DataFrame({"device_name": ["Luz"], "energy_wh": [0.0]})
    assert "Nenhuma energia" in texts(plots.energy_share(frame))[0]


def test_twenty_devices_over_two_years_stay_one_light_figure(tmp_path: Path) -> None:
    figure = plots.daily_energy(days(730, 20))
    pdf = figures.save(page_of(tmp_path), "a", figure, caption="A")
    assert "outros (13)" in legend(figure)
    assert len(legend(figure)) == len(figures.PALETTE)
    assert pdf.stat().st_size < 500_000


def test_the_rest_holds_what_the_palette_does_not() -> None:
    figure = plots.energy_share(days(1, 20))
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert len(widths) == plots.MOST_BARS
    assert sum(widths) == pytest.approx(days(1, 20)["energy_wh"].sum() / 1000)


def test_days_may_come_from_the_marts_as_they_are() -> None:
    frame = days(3, 2)
    named = frame.rename(columns={"date": "local_date"})
    named["local_date"] = pd.to_datetime(named["local_date"])
    named.loc[0, "energy_wh"] = np.nan
    heights = [bar.get_height() for bar in plots.daily_energy(named).axes[0].patches]
    assert len(heights) == 6
    assert sum(heights) == pytest.approx((frame["energy_wh"].sum() - 900.0) / 1000)


def test_one_day_is_no_wall() -> None:
    low, high = plots.daily_energy(days(1, 1)).axes[0].get_xlim()
    assert high - low > 6


def test_missing_and_poor_days_are_hatched() -> None:
    frame = days(10, 2)
    frame.loc[frame["date"] == frame["date"].iloc[4], "coverage"] = 0.5
    missing = frame["date"].isin(frame["date"].unique()[7:9])
    figure = plots.daily_energy(frame[~missing])
    spans = [p for p in figure.axes[0].patches if p.get_hatch()]
    assert [p.get_width() for p in spans] == [1.0, 2.0]
    assert "cobertura < 90 %" in legend(figure)
    assert "cobertura < 90 %" not in legend(plots.daily_energy(days(10, 2)))


def test_an_unobserved_hour_is_a_gap_in_the_curve() -> None:
    frame = hours("dia útil", "domingo e feriado")
    frame = frame[(frame["hour"] != 4) | (frame["day_kind"] != "dia útil")]
    panels = plots.load_curve(frame).axes
    means = [panel.patches[1].get_data().values for panel in panels]
    assert [int(np.isnan(m).sum()) for m in means] == [1, 0]
    assert panels[0].get_title() == "dia útil (4 dias)"


def test_a_device_name_with_dollars_is_no_formula(tmp_path: Path) -> None:
    frame = days(2, 1).assign(device_name="TV $5 e $6 🧊")
    pdf = figures.save(page_of(tmp_path), "a", plots.energy_share(frame), caption="A")
    assert "TV $5 e $6" in words(pdf)


@pytest.mark.parametrize(("name", "caption"), [("../a", "A"), ("Energia Diária", "A"), ("a", " ")])
def test_bad_names_and_empty_captions_are_refused(tmp_path: Path, name: str, caption: str) -> None:
    with pytest.raises(ManuscriptError):
        figures.save(page_of(tmp_path), name, plots.blank(), caption=caption)


def test_opening_a_page_forgets_only_this_notebook(tmp_path: Path) -> None:
    figures.save(page_of(tmp_path), "a", plots.blank(), caption="A")
    other = Page.open(Paths.at(tmp_path), "11_voltage", vintage=vintage(), time_zone=ZONE)
    figures.save(other, "b", plots.blank(), caption="B")
    page_of(tmp_path)
    left = sorted(f.name for f in (tmp_path / "figures").iterdir())
    assert left == ["b.json", "b.pdf", "b.png"]


def test_promotion_replaces_what_a_notebook_wrote_before(tmp_path: Path) -> None:
    paths = Paths.at(tmp_path / "store")
    other = Page.open(paths, "11_voltage", vintage=vintage(), time_zone=ZONE)
    figures.save(other, "c", plots.blank(), caption="C")
    for run, names in (("1", "ab"), ("2", "b")):
        page = Page.open(
            paths, "10_energy", vintage=vintage(), time_zone=ZONE, run_dir=tmp_path / run
        )
        for name in names:
            figures.save(page, name, plots.blank(), caption=name)
        placed = promote(tmp_path / run, paths)
        assert all(file.exists() for file in placed)
        assert len(placed) == 3 * len(names) + 1
    assert sorted(f.name for f in paths.figures.glob("*.pdf")) == ["b.pdf", "c.pdf"]
    assert (paths.generated / "values" / "10_energy.json").exists()


def test_a_page_in_a_run_folder_leaves_the_printed_one_alone(tmp_path: Path) -> None:
    figures.save(page_of(tmp_path), "a", plots.blank(), caption="A")
    run = tmp_path / "run"
    Page.open(
        Paths.at(tmp_path),
        "10_energy",
        vintage=vintage(end=datetime(2026, 3, 15, tzinfo=UTC) + timedelta(hours=1)),
        time_zone=ZONE,
        run_dir=str(run),
    )
    assert (tmp_path / "figures" / "a.pdf").exists()
    assert (run / "values" / "10_energy.json").exists()
