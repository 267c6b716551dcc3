"""Every folder, once. Belongs here: where things lie. Does not belong here: what is in them."""

import os
from dataclasses import dataclass
from pathlib import Path

from lib.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
SQL = ROOT / "lib" / "sql"
TCC = ROOT / "tcc"
CONFIG = ROOT / "config.toml"
DEFAULT_DATA = ROOT / "data"


@dataclass(frozen=True)
class Paths:
    """The folders of one store: raw data and all that is made from it.

    The default store's figures and PDF lie where a reader of the project expects them;
    another store (`--data-dir`) keeps its own beside its data, so that two never mix.
    """

    data: Path
    figures: Path
    generated: Path
    pdf: Path

    @classmethod
    def at(cls, data_dir: str | Path | None = None) -> "Paths":
        """The store in a folder; without one, in TCC_DATA_DIR or the project's `data/`.

        Raises ConfigError for a name that DuckDB takes for a web address with a query.
        """
        chosen = data_dir or os.environ.get("TCC_DATA_DIR") or DEFAULT_DATA
        data = Path(chosen).expanduser().resolve()
        if "?" in str(data):
            raise ConfigError(
                "the data folder's name has a question mark, which DuckDB cannot read.",
                where=str(data),
                remedy="Name another folder with --data-dir or TCC_DATA_DIR.",
            )
        if data == DEFAULT_DATA:
            return cls(data, ROOT / "figures", TCC / "generated", TCC / "monografia.pdf")
        tcc = data / "tcc"
        return cls(data, data / "figures", tcc / "generated", tcc / "monografia.pdf")

    @property
    def raw(self) -> Path:
        """What came, as it came: append-only."""
        return self.data / "raw"

    @property
    def journal(self) -> Path:
        """One line for each raw file, append-only."""
        return self.raw / "journal.jsonl"

    @property
    def attempts(self) -> Path:
        """One line for each collection, append-only."""
        return self.raw / "attempts.jsonl"

    @property
    def usage(self) -> Path:
        """Calls to the cloud, by month."""
        return self.data / "usage.json"

    @property
    def alarms(self) -> Path:
        """Which alarms are on, and since when they were told."""
        return self.data / "alarms.json"

    @property
    def registry(self) -> Path:
        """Device lists and specifications, dated, written when they change."""
        return self.raw / "_registry"

    @property
    def source(self) -> Path:
        """Which kind of rows this store holds."""
        return self.data / "source.json"

    @property
    def staging(self) -> Path:
        """Typed, unique rows: one Parquet file for each UTC date."""
        return self.data / "staging"

    @property
    def marts(self) -> Path:
        """Energy, voltage and gaps: one Parquet file for each table and date."""
        return self.data / "marts"

    @property
    def quarantine(self) -> Path:
        """Files that could not be read, each with its reason beside it."""
        return self.data / "quarantine"

    @property
    def control(self) -> Path:
        """Frozen parameters of the control charts."""
        return self.data / "control"

    @property
    def runs(self) -> Path:
        """The executed notebooks of each run."""
        return self.data / "runs"

    @property
    def restatements(self) -> Path:
        """One line for each past day whose energy changed later, append-only."""
        return self.data / "restatements.jsonl"

    @property
    def frozen(self) -> Path:
        """States of the page with all that they stand on, by name."""
        return self.data / "frozen"

    @property
    def catalogue(self) -> Path:
        """A DuckDB file of views over the Parquet files, for people."""
        return self.data / "tcc.duckdb"

    @property
    def latex(self) -> Path:
        """LaTeX's auxiliary files."""
        return self.generated.parent / "build"
