"""What staging finds, said in Portuguese: what, where, what is at risk and what to do.

Belongs here: sentences. Does not belong here: finding anything out (`staging.py`).
"""

from pathlib import Path

from lib import raw
from lib.findings import Finding
from lib.journal import Entry
from lib.registry import SpecChange


def conflict(day: str, rows: int) -> Finding:
    """Keys that came with two values."""
    return Finding(
        "tcc.staging.conflict",
        f"Em {day}, {rows} linha(s) repetem uma chave com outro valor; vale a ingestão mais "
        "recente. Se isso se repetir, confira se dois programas gravam neste projeto.",
        {"date": day, "conflicting": rows},
    )


def incomplete(day: str, rows: int) -> Finding:
    """Reports without a code, without a value, or with words where a number belongs."""
    return Finding(
        "tcc.staging.incomplete",
        f"Em {day}, {rows} relato(s) vieram sem código, sem valor ou com texto em vez de número. "
        "Ficam guardados, mas não entram em nenhuma conta; nada há a fazer se forem poucos.",
        {"date": day, "rows": rows},
    )


def misfit(device_id: str, code: str, rows: int, example: str) -> Finding:
    """Texts where the specification promises a number."""
    return Finding(
        "tcc.staging.misfit",
        f"{device_id}: {rows} valor(es) de {code} não são o número que a especificação promete, "
        f"como '{example}'. Ficam como texto, sem valor numérico; se forem muitos, confira a "
        "especificação do dispositivo.",
        {"device_id": device_id, "code": code, "rows": rows, "example": example},
    )


def undated(file: Path, rows: int) -> Finding:
    """Rows whose time cannot be used."""
    return Finding(
        "tcc.staging.undated",
        f"{rows} linha(s) de {file.name} não têm instante utilizável (ausente, de 1970, de 2099). "
        "Ficam no arquivo bruto e, copiadas com o motivo, na quarentena, e faltam em toda figura; "
        "confira o relógio de quem as gravou (tcc quarantine).",
        {"file": str(file), "rows": rows},
    )


def missing(entry: Entry) -> Finding:
    """A raw file that the journal names and that is gone."""
    return Finding(
        "tcc.staging.missing_file",
        f"O arquivo bruto {entry.file} sumiu, com {entry.rows} linha(s), que faltam em toda "
        "figura. Recupere-o de uma cópia; a janela volta a ser pedida enquanto a nuvem a guarda.",
        {"file": entry.file, "rows": entry.rows},
    )


def adopted(journal: Path, entries: list[Entry]) -> Finding:
    """Raw files that the journal did not know."""
    return Finding(
        "tcc.staging.adopted",
        f"{len(entries)} arquivo(s) bruto(s), o primeiro {entries[0].file}, não constavam do "
        f"diário ({journal}) e foram inscritos nele. Nada se perdeu: é o que deixa uma execução "
        "interrompida ou uma cópia feita à mão. Se o diário foi apagado, nada há a fazer: ele "
        "está refeito, e a nuvem é perguntada outra vez sobre o que ainda guarda.",
        {"files": len(entries), "first": entries[0].file},
    )


def set_aside(path: Path) -> Finding:
    """A raw file that cannot be read."""
    return Finding(
        "tcc.staging.quarantined",
        f"Um arquivo bruto não pôde ser lido e está em quarentena, com o motivo ao lado: {path}. "
        "Suas linhas faltam em toda figura. A janela volta a ser pedida enquanto a nuvem a "
        "guarda; depois disso, conserte o arquivo ali mesmo e execute tcc quarantine retry, ou "
        "traga uma cópia boa com tcc import ARQUIVO --device ID.",
        {"file": str(path)} | raw.reason(path),
    )


def changed(change: SpecChange, *, confirmed: bool) -> Finding:
    """A scale or unit that changed; it blocks the page until the user confirms it."""
    old, new = change.before.spec, change.after.spec
    return Finding(
        "tcc.staging.scale_changed",
        f"{change.after.device_id}: {new.code} passou de {old.unit} com escala {old.scale} para "
        f"{new.unit} com escala {new.scale} em {change.after.valid_from:%d/%m/%Y}. Se a mudança "
        "não for real, todo valor depois dela está errado. Se for, acrescente "
        f'"{change.name}" a confirmed_changes em config.toml.',
        {"change": change.name, "confirmed": confirmed},
        blocks=not confirmed,
    )


def unspecified(device_id: str, code: str, known: bool) -> Finding:
    """A code without a specification of its device: a typical scale, or none at all."""
    data = {"device_id": device_id, "code": code}
    if known:
        return Finding(
            "tcc.staging.scale_assumed",
            f"{device_id}: {code} usa a escala típica, por falta de especificação. Uma escala "
            "errada multiplica os valores por dez; execute tcc ingest para obtê-la.",
            data,
        )
    return Finding(
        "tcc.staging.unknown_code",
        f"{device_id}: o código {code} é desconhecido. Suas linhas ficam como texto, sem valor "
        "numérico; acrescente-o a lib/datapoints.py.",
        data,
    )
