"""Why devices were not observed: one device, the network, the mains, the collector or the cloud.

Belongs here: which gaps are one event, what the meters say of it, and the class of each gap.
Does not belong here: finding gaps (`marts.py`), what is lost for ever (`losses.py`), drawing.
"""

from collections.abc import Iterable
from datetime import timedelta

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from lib import files, held, warehouse
from lib.config import Config
from lib.datapoints import FACTORS, KNOWN
from lib.findings import Finding
from lib.loss_causes import EXPIRED, Past, explained
from lib.paths import Paths
from lib.portuguese import number

DEVICE, NETWORK, POWER, JOINT = "device", "network", "power", "joint"
COLLECTOR, API = "collector", "api"
CLASS_NAMES = {
    DEVICE: "dispositivo",
    JOINT: "queda conjunta, causa indeterminada",
    NETWORK: "rede",
    POWER: "falta de energia",
    COLLECTOR: "coletor",
    API: "nuvem",
}
TOGETHER_S = 120.0  # falls and returns so far apart at most are one event
MOST = 0.8  # the whole house fell where so much of what was heard before did
FEWEST = 3  # of fewer than the whole house, so many must fall and return together
DARK, LIT = 0.25, 0.5  # the share of the usual energy that was used in a gap: at most, at least
SHORTEST_CUT_H = 0.05  # three minutes: PRODIST's shorter events (VTCD) are beyond what plugs see
LONGEST_CUT_H = 24.0  # in what lasts longer, a meter that counted nothing may have been off itself
LEAST_WH = 10.0  # of less usual energy in a gap, meters say nothing: one step of a meter's counter
_OF_THE_CLOUD = {"quota", "account expired", "API error"}
_INSTANT = "datetime64[us, UTC]"


def together(gaps: DataFrame, first_seen: "Series[pd.Timestamp]") -> DataFrame:
    """The gaps in which devices fell at the same time, with their event, in the order of `gaps`.

    `gaps` as `study.gaps`, `first_seen` by device_id. Columns: event (-1: a device alone), fell
    (so many devices began to be missing together) and heard (so many had been observed before).
    Silence counts as disconnection; time that nobody asked about does not.
    """
    own = gaps[gaps["cause"] != "not asked"].sort_values(["gap_start", "device_id", "gap_end"])
    began = _run(own["gap_start"])
    own = own.assign(began=began).sort_values(["began", "gap_end", "device_id"])
    own["ended"] = _run(own["gap_end"], own["began"])
    own["fell"] = own.groupby("began")["device_id"].transform("nunique")
    own["returned"] = own.groupby(["began", "ended"])["device_id"].transform("nunique")
    starts = own.groupby("began")["gap_start"].transform("min")
    own["heard"] = _heard(gaps, starts, first_seen) if len(own) else 0
    most = own.groupby("began")["returned"].transform("max")
    whole = (own["fell"] >= 2) & (most >= 2) & (own["fell"] >= MOST * own["heard"])
    some = own["returned"] >= FEWEST
    key = own["began"].where(whole, own["began"] + own["ended"] / 1e6)
    own["event"] = key.where(whole | some).rank(method="dense").sub(1).fillna(-1)
    found = own.reindex(gaps.index)[["event", "fell", "heard"]]
    return found.fillna({"event": -1, "fell": 1, "heard": 1}).astype("int64")


def _run(instants: "Series[pd.Timestamp]", within: "Series[int] | None" = None) -> "Series[int]":
    """Number sorted instants anew wherever one is too far from that before it."""
    apart = instants.diff() > pd.Timedelta(seconds=TOGETHER_S)
    if within is not None:
        apart |= within.ne(within.shift())
    return apart.cumsum().astype("int64")


def _heard(
    gaps: DataFrame, instants: "Series[pd.Timestamp]", first_seen: "Series[pd.Timestamp]"
) -> "Series[int]":
    """How many devices were observed right before each instant. Most instants are the same."""
    early = instants - pd.Timedelta(seconds=1)
    counts = {}
    for at in early.unique():
        missing = gaps.loc[(gaps["gap_start"] < at) & (gaps["gap_end"] > at), "device_id"]
        known = first_seen.index[first_seen <= at]
        counts[at] = len(set(known) - set(missing))
    return early.map(counts)


def energy_around(paths: Paths, gaps: DataFrame, events: DataFrame) -> DataFrame:
    """What each device used in each event, by its own meter, and what it usually would have. [Wh]

    Columns event, device_id, gap_wh, usual_wh, gap_h; without rows where nothing counts energy.
    """
    spans = _spans(gaps, events)
    wanted = _files(paths, spans)
    if not wanted:
        return DataFrame(columns=["event", "device_id", "gap_wh", "usual_wh", "gap_h"])
    rows = [(n, s.to_pydatetime(), e.to_pydatetime()) for n, s, e in spans.itertuples()]
    text, instant = "VARCHAR", "TIMESTAMPTZ"
    codes = [(code, point.quantity, point.kind) for code, point in KNOWN.items()]
    with warehouse.asking() as connection:
        columns = {"event": "BIGINT", "event_start": instant, "event_end": instant}
        warehouse.table(connection, "events", columns, rows)
        columns = {"code": text, "quantity": text, "kind": text}
        warehouse.table(connection, "codes", columns, codes)
        units = {"unit": text, "factor": "DOUBLE"}
        warehouse.table(connection, "units", units, FACTORS.items())
        return warehouse.frame(connection, warehouse.sql("gap_energy"), {"files": wanted})


def _spans(gaps: DataFrame, events: DataFrame) -> DataFrame:
    """From when to when each event lasted: from the first fall to the first return."""
    both = gaps.assign(event=events["event"])
    found = both[both["event"] >= 0].groupby("event")
    return found.agg(start=("gap_start", "min"), end=("gap_end", "min"))


def _files(paths: Paths, spans: DataFrame) -> list[str]:
    """The staged partitions that three hours around some spans touch."""
    dates: set[str] = set()
    around = timedelta(hours=3)
    for start, end in spans.itertuples(index=False):
        dates |= {f"{day:%Y-%m-%d}" for day in (start - around, start, end, end + around)}
    found = [warehouse.partition(paths.staging, day) for day in sorted(dates)]
    return [files.literal(file) for file in found if file.exists()]


def verdicts(events: DataFrame, energy: DataFrame, mains: Iterable[str] = ()) -> "Series[str]":
    """The class of each event: the meter of the mains decides, else all meters together.

    Dark is where at most a quarter of the usual energy was used, for three minutes at least and a
    day at most; lit where at least half was.
    An event that spared a part of the house is no power cut and no fall of the network.
    """
    own = energy[energy["device_id"].isin(list(mains))]
    with_mains = set(own["event"])
    chosen = pd.concat([own, energy[~energy["event"].isin(with_mains)]])
    sums = chosen.groupby("event")[["gap_wh", "usual_wh"]].sum()
    share = (sums["gap_wh"] / sums["usual_wh"]).where(sums["usual_wh"] >= LEAST_WH)
    of_event = events[events["event"] >= 0].groupby("event")[["fell", "heard"]].max()
    share = share.reindex(of_event.index)
    hours = energy.groupby("event")["gap_h"].max().reindex(of_event.index)
    whole = of_event["fell"] >= MOST * of_event["heard"]
    dark = whole & (share <= DARK) & hours.between(SHORTEST_CUT_H, LONGEST_CUT_H)
    named = np.select([dark, whole & (share >= LIT)], [POWER, NETWORK], JOINT)
    return Series(named, index=of_event.index, dtype="str", name="gap_class")


def not_asked(paths: Paths, config: Config, gaps: DataFrame) -> DataFrame:
    """The gaps that nobody asked about, cut where their cause changes, with it and its class.

    Columns of `gaps`, and gap_class; the causes are those of the record of collections.
    """
    own = gaps[gaps["cause"] == "not asked"]
    if own.empty:
        return own.assign(gap_class=Series(dtype="str"))
    with warehouse.asking() as connection:
        held.load_journal(connection, paths)
        past = Past.of(connection, paths, config.ingestion)
    rows = []
    for gap in own.to_dict("records"):
        whole = gap["gap_start"].to_pydatetime(), gap["gap_end"].to_pydatetime()
        for (start, end), cause in explained(gap["device_id"], whole, past):
            named = API if cause.name in _OF_THE_CLOUD else COLLECTOR
            rows.append({**gap, "gap_start": start, "gap_end": end, "gap_class": named})
    found = DataFrame(rows).astype({"gap_start": _INSTANT, "gap_end": _INSTANT})
    lasting = found["gap_end"] - found["gap_start"]
    return found.assign(gap_s=lasting.dt.total_seconds())


def classified(
    gaps: DataFrame,
    events: DataFrame,
    classes: "Series[str]",
    asked: DataFrame,
    lost: DataFrame,
) -> DataFrame:
    """Every gap with its class, its event (-1: none) and how much of it is lost for ever.

    What nobody asked about, of several devices from the same minute to the same, is one event.
    `events` by `together`, `classes` by `verdicts`, `asked` by `not_asked`, `lost` by
    `losses.ledger`. [gap_s, lost_s: s]
    """
    of_event = classes.to_dict()
    named = [of_event.get(event, DEVICE) for event in events["event"]]
    own = gaps.assign(event=events["event"], gap_class=named)[gaps["cause"] != "not asked"]
    edges = [asked[edge].dt.floor("min") for edge in ("gap_start", "gap_end")]
    number_ = asked.groupby([*edges, "gap_class"]).ngroup() + events["event"].max() + 1
    found = pd.concat([own, asked.assign(event=number_)], ignore_index=True)
    found = found.astype({"gap_class": "str", "event": "int64"})
    found = found.assign(lost_s=_overlap_s(found, lost[lost["kind"] == EXPIRED]))
    return found.sort_values(["gap_start", "device_id"], ignore_index=True)


def _overlap_s(gaps: DataFrame, lost: DataFrame) -> "Series[float]":
    """How much of each gap the spans of its device take, which do not touch each other. [s]"""
    start, end = gaps["gap_start"], gaps["gap_end"]
    total = Series(0.0, index=gaps.index)
    for one in lost.to_dict("records"):
        own = (gaps["device_id"] == one["device_id"]) & (end > one["lost_start"])
        own &= start < one["lost_end"]
        common = end[own].clip(upper=one["lost_end"]) - start[own].clip(lower=one["lost_start"])
        total[own] += common.dt.total_seconds()
    return total


def by_class(gaps: DataFrame) -> DataFrame:
    """Gaps, events, devices and hours of each class, those without any too. [gap_h, lost_h: h]

    Gaps of one event count once as an event; any other gap is an event of its own.
    """
    alone = -1 - Series(range(len(gaps)), index=gaps.index, dtype="int64")
    own = gaps.assign(occasion=gaps["event"].where(gaps["event"] >= 0, alone))
    sums = own.groupby("gap_class").agg(
        gaps=("gap_s", "size"),
        events=("occasion", "nunique"),
        devices=("device_id", "nunique"),
        gap_s=("gap_s", "sum"),
        lost_s=("lost_s", "sum"),
    )
    sums = sums.reindex([*CLASS_NAMES]).fillna(0)
    found = sums.assign(gap_h=sums["gap_s"] / 3600, lost_h=sums["lost_s"] / 3600)
    found = found.drop(columns=["gap_s", "lost_s"]).rename_axis("gap_class").reset_index()
    found = found.astype({"gaps": "int64", "events": "int64", "devices": "int64"})
    return found.assign(class_name=found["gap_class"].map(CLASS_NAMES))


def findings(gaps: DataFrame) -> list[Finding]:
    """That the house went dark or fell off the network, and what nobody could decide."""
    found = []
    texts = {
        POWER: "Houve {n} falta(s) de energia: todos os dispositivos caíram juntos e os medidores "
        "não contaram consumo. A mais longa durou {h} min.",
        NETWORK: "A rede da casa caiu {n} vez(es), com as cargas ligadas; a queda mais longa durou "
        "{h} min. Convém conferir o roteador.",
        JOINT: "Em {n} ocasião(ões) vários dispositivos caíram juntos sem que os medidores digam "
        "por quê; a mais longa durou {h} min.",
    }
    for name, text in texts.items():
        own = gaps[gaps["gap_class"] == name]
        if len(own):
            count, longest_s = int(own["event"].nunique()), float(own["gap_s"].max())
            told = text.format(n=count, h=number(longest_s / 60))
            data = {"events": count, "longest_s": longest_s}
            found.append(Finding(f"tcc.quality.{name}", told, data))
    return found
