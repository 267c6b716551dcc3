"""`python -m lib.demo`: serve a house until interrupted. Belongs here: the command line."""

import signal
import threading
from typing import Annotated

import typer

from lib import times
from lib.demo.house import House
from lib.demo.recorded import recorded_house
from lib.demo.simulated import SimulatedHouse
from lib.demo.standin import StandIn
from lib.errors import PipelineError

DEFAULT_NOW = "2026-04-22T15:00:00Z"


def _house(series: str, seed: int) -> tuple[House, str]:
    """The house to serve, and the instant at which its data ends."""
    if not series:
        return SimulatedHouse(seed), DEFAULT_NOW
    recorded = recorded_house(series)
    return recorded, times.iso(recorded.last_event)


def main(
    now: Annotated[str, typer.Option(help="Data clock, ISO 8601; default: the demo's end.")] = "",
    series: Annotated[str, typer.Option(help="uci, plug or a path; default: simulated.")] = "",
    seed: Annotated[int, typer.Option(help="Seed of the simulated house.")] = 7,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 0,
    live: Annotated[bool, typer.Option(help="Let the data clock run on.")] = False,
    retention_days: Annotated[float, typer.Option(help="What the log still holds.")] = 7,
) -> None:
    """Serve a demo house as the Tuya Cloud and print the environment to use it with."""
    try:
        house, end = _house(series, seed)
        instant = times.parse_instant(now or end)
        _serve(StandIn(house, now=instant, port=port, live=live, retention_days=retention_days))
    except PipelineError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _serve(stand_in: StandIn) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with stand_in:
        typer.echo(_introduction(stand_in))
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            typer.echo("# stopped")


def _introduction(stand_in: StandIn) -> str:
    house = stand_in.house
    kind = "SIMULATED, nobody measured it" if house.simulated else "recorded"
    return "\n".join(
        (
            f"# {house.name} ({kind}); data clock {times.iso(stand_in.clock.now)}",
            f"# {house.attribution}",
            f"export API_ENDPOINT={stand_in.endpoint}",
            f"export TUYA_CA_BUNDLE={stand_in.ca_bundle}",
            f"export TUYA_ACCESS_ID={stand_in.access_id}",
            f"export TUYA_ACCESS_SECRET={stand_in.access_secret}",
            "# Ctrl+C stops it",
        )
    )


if __name__ == "__main__":
    typer.run(main)
