"""The table on what each device's archived specification says of its codes.

Belongs here: which devices share a specification, its rows and their words. Does not belong here:
archiving and reading specifications (`registry.py`), typical scales (`datapoints.py`).
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from pandas import DataFrame

from lib import registry
from lib.datapoints import CodeSpec
from lib.paths import Paths

SPECIFIED: dict[str, tuple[str, int | None]] = {
    "devices": ("Dispositivos: produto (categoria)", None),
    "code": ("Código", None),
    "type_name": ("Tipo", None),
    "scale": ("Escala", 0),
    "unit": ("Unidade", None),
    "reported_name": ("Informado", None),
}
CAPTION = "Códigos na especificação arquivada de cada dispositivo, a mais recente"
UNKNOWN = "sem especificação"
_TYPES = {
    **{"integer": "inteiro", "value": "inteiro", "bitmap": "marcas", "float": "decimal"},
    **{"boolean": "lógico", "enum": "enumeração", "string": "texto", "raw": "binário"},
}
Row = tuple[str, str | None, float | None, str | None, str | None]


def specified(paths: Paths, names: "pd.Series[str]") -> DataFrame:
    """A row for each code of each specification, as SPECIFIED heads it; equal devices share it.

    `names` by device id. A device without a specification, such as one of an imported archive,
    has one row that says so.
    """
    newest: dict[str, dict[str, CodeSpec]] = {}
    for one in registry.newest_specifications(paths):
        newest.setdefault(one.device_id, {})[one.spec.code] = one.spec
    known = {str(device["id"]): device for device in registry.known(paths)}
    shared: dict[tuple[str, tuple[Row, ...]], list[str]] = {}
    for own, name in sorted(names.items(), key=lambda item: str(item[1])):
        rows = tuple(_rows(paths, str(own), newest.get(str(own), {})))
        shared.setdefault((_product(known.get(str(own), {})), rows), []).append(str(name))
    lines = [
        (f"{', '.join(devices)}: {product}" if number == 0 else "", *row)
        for (product, rows), devices in shared.items()
        for number, row in enumerate(rows)
    ]
    return DataFrame(lines, columns=[*SPECIFIED])


def _product(device: dict[str, Any]) -> str:
    """The product and Tuya's category, as far as the list says them."""
    name, category = device.get("product_name"), device.get("category")
    return f"{name or 'produto desconhecido'}" + (f" ({category})" if category else "")


def _rows(paths: Paths, device_id: str, specs: dict[str, CodeSpec]) -> Iterator[Row]:
    reported = registry.reported(paths, device_id)
    if not reported and not specs:
        yield UNKNOWN, None, None, None, None
    for code in dict.fromkeys([*reported, *specs]):
        said = "sim" if code in reported else "só comando"
        yield (code, *_spec(specs.get(code)), said)


def _spec(spec: CodeSpec | None) -> tuple[str, float | None, str | None]:
    """Type, scale and unit; of what could not be understood the typical ones hold."""
    if spec is None:
        return "ilegível", None, None
    kind = _TYPES.get(spec.type.lower(), spec.type)
    return kind, float(spec.scale) if spec.is_number else None, spec.unit or None
