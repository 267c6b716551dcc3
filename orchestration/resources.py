"""What a Dagster run holds while it lasts: the credentials, the pipeline's run, a DuckDB.

Belongs here: taking and giving back what assets and checks share. Does not belong here: what is
done with it, nor any secret: Dagster keeps only the names of environment variables.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from dagster import ConfigurableResource, EnvVar, Failure, InitResourceContext
from dagster_duckdb import DuckDBResource
from pydantic import AliasChoices, Field, PrivateAttr

from lib import config, pipeline, redaction
from lib.credentials import Environment
from lib.errors import ConfigError, PipelineError
from lib.paths import Paths

TOLD = "tcc/told"  # a tag of a failed run of which lib has judged by itself whom to tell


def _names(field: str) -> list[str]:
    """The environment variables that a credential may stand in, the first one first."""
    alias = Environment.model_fields[field].validation_alias
    return [str(name) for name in (alias.choices if isinstance(alias, AliasChoices) else [alias])]


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """Show what stops a run as what it is, in one sentence: without a trace, without a secret."""
    try:
        yield
    except PipelineError as error:
        raise Failure(redaction.redacted(str(error)), allow_retries=False) from None


class TuyaCredentials(ConfigurableResource[Any]):
    """How to reach the Tuya Cloud; without any of it, the demo house is measured."""

    access_id: str | None = Field(None, repr=False)
    access_secret: str | None = Field(None, repr=False)
    region: str | None = None
    endpoint: str | None = None
    ca_bundle: str | None = None
    mapping_path: str | None = None
    notify: str | None = Field(None, repr=False)

    @classmethod
    def from_environment(cls) -> "TuyaCredentials":
        """Name the variables that are set; their values are read when a run begins.

        A variable that is not set is not asked for: `.env` or tinytuya.json may hold it.
        """
        named: dict[str, Any] = {}
        for field in Environment.model_fields:
            found = [name for name in _names(field) if os.environ.get(name)]
            named |= {field: EnvVar(found[0])} if found else {}
        return cls(**named)

    @contextmanager
    def yield_for_execution(self, context: InitResourceContext) -> Iterator["TuyaCredentials"]:
        """Give the values to the notebooks, by the environment alone, while a run lasts."""
        held = {field: getattr(self, field) for field in Environment.model_fields}
        given = {_names(field)[0]: str(value) for field, value in held.items() if value}
        before = {name: os.environ.get(name) for name in given}
        os.environ.update(given)
        try:
            yield self
        finally:
            for name, value in before.items():
                _restore(name, value)


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


class PipelineRun(ConfigurableResource[Any]):
    """One run of the pipeline: its lock, clock, source and folder, for all assets of it.

    An empty `now` is the source's own clock; the rest is as in `tcc run`.
    """

    tuya: TuyaCredentials
    source: str = "auto"
    series: str = ""
    now: str = ""
    days: int | None = None
    rebuild: bool = False
    force: bool = False

    _held: ExitStack = PrivateAttr(default_factory=ExitStack)
    _this: pipeline.Run | None = PrivateAttr(None)
    _told: Callable[[], None] = PrivateAttr(default_factory=lambda: lambda: None)

    @contextmanager
    def yield_for_execution(self, context: InitResourceContext) -> Iterator["PipelineRun"]:
        """End, when Dagster's run ends, what the first asset began."""
        instance, run = context.instance, context.run
        if instance and run:
            self._told = lambda: instance.add_run_tags(run.run_id, {TOLD: "yes"})
        with ExitStack() as self._held:
            yield self

    @property
    def this(self) -> pipeline.Run:
        """The run under way, begun by the first asset that asks for it.

        It holds the same lock as `tcc run`, so that one writes at a time. Raises Failure, in one
        sentence, where none can begin: a setting or a credential is missing, another is under way.
        """
        if self._this is None:
            names = ("source", "series", "now", "days", "rebuild", "force")
            order = pipeline.Order(**{name: getattr(self, name) for name in names})
            with in_one_sentence():
                self._this = self._held.enter_context(_begun(order, self._told))
        return self._this


@contextmanager
def _begun(order: pipeline.Order, told: Callable[[], None]) -> Iterator[pipeline.Run]:
    """A run; where Dagster ends it before the page, its record says what blocked it.

    Of what failed here it is judged here what to tell; `told` marks that for the sensor.
    """
    with ExitStack() as held:
        held.push(lambda kind, error, trace: told() if isinstance(error, Exception) else None)
        paths, settings = Paths.at(), _settings(order)
        this = held.enter_context(pipeline.begun(paths, settings, order))
        yield this
        printed = any(step.name == pipeline.PAGE for step in this.steps)
        if not printed and any(finding.blocks for finding in pipeline.findings_of(this)):
            pipeline.set_page(this)
    if not this.ok:
        told()


def _settings(order: pipeline.Order) -> config.Config:
    """The settings; without them no run begins, which is an alarm. Raises ConfigError."""
    try:
        return config.load()
    except ConfigError as error:
        pipeline.alarmed(Paths.at(), config.Config(), order, error=error)
        raise


def in_memory() -> DuckDBResource:
    """A DuckDB for the checks: in memory, for two processes cannot share a file."""
    return DuckDBResource(database=":memory:")
