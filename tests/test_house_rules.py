"""The rules of the house that a machine can see: sizes, imports, notebooks, documentation."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from lib import cli
from lib.config import Config
from lib.paths import NOTEBOOKS, ROOT

# An arrow between modules runs one way: a layer imports itself and the layers above it.
LAYERS = {
    "ground": "errors paths times files findings datapoints portuguese contents settings "
    "credentials sections tariff_settings config tuya_codes progress spans contract version",
    "demo house": "demo",
    "border and stores": "transport pace tuya tuya_logs raw journal attempts usage archive found "
    "registry registry_lists registry_findings origins sources warehouse catalogue checks bookmark "
    "notify store_dates redaction",
    "steps": "plan budget ingest collected answers refusals staging staging_files staging_pool "
    "staging_findings staging_again staging_left_out staged_date held marts marts_state "
    "marts_tables chosen_dates restatements quarantine as_of hours restated",
    "analysis": "energy meters load cycles standby uncertainty voltage voltage_error "
    "voltage_meters voltage_house spc run_length residuals baseline baseline_file detection "
    "monitor spc_findings tariff tariff_rates tariff_findings white_tariff bill posts coverage "
    "gap_causes cadence quality quality_findings loss_causes losses loss_sums status alarm_kinds "
    "alarms",
    "page": "thumbnails figures plots plots_load plots_coverage plots_voltage plots_spc "
    "plots_detection plots_tariff values latex latexmk page provenance typesetting claim_language "
    "claims manuscript text_findings latexdiff frozen monograph study study_frames indicators "
    "indicators_load indicators_voltage indicators_spc indicators_tariff indicators_quality tables "
    "tables_voltage tables_spc tables_devices explore",
    "run": "kernel_server kernels rendering notebooks history steps grounds freezing execution "
    "pipeline doctor doctor_checks doctor_cloud doctor_store doctor_schedule freshness runs "
    "run_list run_pages schedules schedule_places run_state said swap_job swaps trials trials_data "
    "trials_code why why_words",
    "doors": "cli cli_data cli_page cli_quarantine cli_schedule cli_why terminal",
}
RANK = {name: rank for rank, names in enumerate(LAYERS.values()) for name in names.split()}
JOB_BOUNDARIES = {"lib/notebooks.py", "lib/pipeline.py"}  # where any failure becomes a report
ONLY_IMPORTER = {
    "tinytuya": "lib/tuya.py",
    "papermill": "lib/notebooks.py",
    "apprise": "lib/notify.py",
}
COMPARED_WITH = {"bench/theirs.py"}  # measures what the package does by itself
KNOWS_THE_DEMO_HOUSE = {"lib/sources.py", "lib/pipeline.py", "lib/cli.py"}
MOST_FUNCTION_LINES, MOST_MODULE_LINES = 40, 260
MOST_CELLS, MEDIAN_LINES, MOST_CELL_LINES, MOST_SQL_LINES = 15, 6, 25, 3

A_PATH = re.compile(r"^(\.{0,2}/|~|data/|figures/)|\.(csv|json|parquet|duckdb|pdf|png|gz)$")
SQL = re.compile(
    r"\b(select|copy|create|insert|with)\b.*\b(from|to|table|view|into|as)\b", re.I | re.S
)
READ_VARIABLE = re.compile(r"""(?:environ(?:\.get\(|\[)|getenv\()\s*["'](\w+)["']""")
ALIAS = re.compile(r'"((?:TUYA|TCC|ACCESS|API|DEVICE)_[A-Z_]+)"')


def modules(*folders: str) -> dict[str, ast.Module]:
    """Every Python file under the folders, parsed, by its path from the project folder."""
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    return {str(file.relative_to(ROOT)): ast.parse(file.read_text("utf-8")) for file in files}


def imports(tree: ast.AST) -> Iterator[str]:
    """Full names of what a module imports, at its top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


CODE = modules("lib", "orchestration")
LIB = modules("lib")
BOOKS = sorted(NOTEBOOKS.glob("*.ipynb"))


def lib_imports(name: str) -> set[str]:
    """The modules of lib (`demo` as one) that a file of lib imports, itself left out."""
    parts = [item.split(".") for item in imports(CODE[name])]
    found = {part[1] for part in parts if part[0] == "lib" and len(part) > 1}
    return {item for item in found if item in MODULES} - {module_of(name)}


def module_of(name: str) -> str:
    """`lib/tuya.py` is tuya; all of `lib/demo/` is demo."""
    return Path(name).parts[1].removesuffix(".py")


MODULES = {module_of(name) for name in LIB} - {"__init__"}


def test_every_module_says_what_belongs_in_it() -> None:
    silent = [name for name, tree in CODE.items() if not ast.get_docstring(tree)]
    assert silent == []


def test_modules_and_functions_stay_small() -> None:
    long = [
        f"{name}: {count} lines"
        for name in CODE
        if (count := len((ROOT / name).read_text("utf-8").splitlines())) > MOST_MODULE_LINES
    ]
    for name, tree in CODE.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = function_lines(node)
                if lines > MOST_FUNCTION_LINES:
                    long.append(f"{name}:{node.lineno} {node.name}: {lines} lines")
    assert long == []


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    first = node.body[0]
    documented = ast.get_docstring(node) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_any_exception_is_caught_only_at_the_job_boundaries() -> None:
    blind = [
        f"{name}:{node.lineno}"
        for name, tree in CODE.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and catches_everything(node)
    ]
    assert [place for place in blind if place.split(":")[0] not in JOB_BOUNDARIES] == []


def catches_everything(node: ast.ExceptHandler) -> bool:
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(c is None or ast.unparse(c) in {"Exception", "BaseException"} for c in caught)


@pytest.mark.parametrize(("package", "importer"), ONLY_IMPORTER.items())
def test_a_difficult_package_has_one_importer(package: str, importer: str) -> None:
    found = {
        name
        for name, tree in modules("lib", "orchestration", "tools", "bench").items()
        if any(item.split(".")[0] == package for item in imports(tree))
    }
    others = {name for name in found if not name.startswith("lib/demo/")} - COMPARED_WITH
    assert others <= {importer}


def test_lib_knows_neither_dagster_nor_orchestration() -> None:
    above = {"dagster", "dagster_duckdb", "orchestration", "notebooks"}
    wrong = [name for name, tree in LIB.items() if above & {i.split(".")[0] for i in imports(tree)}]
    assert wrong == []


def test_only_the_choice_of_a_source_knows_the_demo_house() -> None:
    knowing = {name for name in LIB if "demo" in lib_imports(name)}
    assert knowing <= KNOWS_THE_DEMO_HOUSE


def test_every_module_has_a_layer() -> None:
    missing = sorted(MODULES - RANK.keys())
    assert missing == [], f"give {missing} a place in LAYERS"


def test_imports_run_one_way() -> None:
    upward = [
        f"{name} imports {other}"
        for name in LIB
        for other in sorted(lib_imports(name))
        if RANK.get(other, 0) > RANK.get(module_of(name), len(LAYERS))
    ]
    assert upward == []


def test_imports_have_no_circle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in MODULES}
    for name in LIB:
        if module_of(name) in graph:
            graph[module_of(name)] |= lib_imports(name)
    while free := [name for name, needs in graph.items() if not needs & graph.keys()]:
        for name in free:
            del graph[name]
    assert sorted(graph) == []


def test_every_environment_variable_is_documented() -> None:
    source = "\n".join((ROOT / name).read_text("utf-8") for name in LIB)
    fields = (ROOT / "lib" / "credentials.py").read_text("utf-8")
    read = set(READ_VARIABLE.findall(source)) | set(ALIAS.findall(fields))
    assert len(read) >= 8
    for document in ("README.md", ".env.example"):
        text = (ROOT / document).read_text("utf-8")
        missing = sorted(name for name in read if not re.search(rf"\b{name}\b", text))
        assert missing == [], f"{document} does not name {missing}"


def test_every_command_and_every_setting_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    commands = [c.name or getattr(c.callback, "__name__", "") for c in cli.app.registered_commands]
    assert len(commands) >= 8
    assert [name for name in commands if f"tcc {name}" not in readme] == []
    sections = {name: field.annotation for name, field in Config.model_fields.items()}
    keys = [
        f"{name}.{key}"
        for name, section in sections.items()
        for key in getattr(section, "model_fields", ())
    ]
    assert len(keys) > 50
    assert [key for key in keys if f"`{key}`" not in readme] == []


# ---- Notebooks ---------------------------------------------------------------------------


def cells(book: Path) -> list[dict[str, Any]]:
    """The code cells of a notebook."""
    found = json.loads(book.read_text("utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


def code(cell: dict[str, Any]) -> str:
    """The Python of a cell, without lines that only IPython understands."""
    lines = "".join(cell["source"]).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def line_count(cell: dict[str, Any]) -> int:
    return sum(1 for line in "".join(cell["source"]).splitlines() if line.strip())


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
class TestNotebook:
    """Notebooks tell; lib/ does."""

    def test_is_committed_without_outputs(self, book: Path) -> None:
        ran = [c for c in cells(book) if c["outputs"] or c["execution_count"] is not None]
        assert ran == []

    def test_stays_small(self, book: Path) -> None:
        lines = [line_count(cell) for cell in cells(book)]
        assert len(lines) <= MOST_CELLS
        assert median(lines) <= MEDIAN_LINES
        assert max(lines) <= MOST_CELL_LINES

    def test_has_one_cell_of_parameters(self, book: Path) -> None:
        tags = [cell["metadata"].get("tags", []) for cell in cells(book)]
        assert sum("parameters" in tag for tag in tags) == 1

    def test_opens_with_a_title(self, book: Path) -> None:
        first = json.loads(book.read_text("utf-8"))["cells"][0]
        assert first["cell_type"] == "markdown" and "".join(first["source"]).startswith("# ")

    def test_defines_and_catches_nothing(self, book: Path) -> None:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Try)
        nodes = [node for cell in cells(book) for node in ast.walk(ast.parse(code(cell)))]
        assert [ast.unparse(node) for node in nodes if isinstance(node, kinds)] == []

    def test_names_no_file_and_holds_no_long_query(self, book: Path) -> None:
        texts = [text for cell in cells(book) for text in literals(code(cell))]
        assert [text for text in texts if A_PATH.search(text)] == []
        queries = [text for text in texts if SQL.search(text)]
        assert [q for q in queries if len(q.strip().splitlines()) > MOST_SQL_LINES] == []


def literals(source: str) -> list[str]:
    """The text constants of a piece of Python."""
    nodes = ast.walk(ast.parse(source))
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]


# ---- The rules themselves ----------------------------------------------------------------


def test_the_rules_see_what_they_should() -> None:
    handler = ast.parse("try: pass\nexcept (OSError, Exception): pass").body[0]
    assert isinstance(handler, ast.Try) and catches_everything(handler.handlers[0])
    function = ast.parse('def f():\n    """One\n    two."""\n    return 1').body[0]
    assert isinstance(function, ast.FunctionDef) and function_lines(function) == 2
    assert set(imports(ast.parse("def f():\n    from lib import demo"))) == {"lib.demo"}
    assert all(A_PATH.search(text) for text in ("../x", "/etc", "data/raw", "a/b.parquet"))
    assert not any(A_PATH.search(text) for text in ("kWh", "energia diária", "W/h", "energy.daily"))
    assert SQL.search("SELECT 1\nFROM t") and not SQL.search("potência selecionada")
    assert READ_VARIABLE.findall('os.environ.get("A") or os.environ["B"]') == ["A", "B"]
