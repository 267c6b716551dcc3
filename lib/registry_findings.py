"""What the device registry finds, said in Portuguese: what happened, what it means, what to do.

Belongs here: what differs between two lists or two specifications, and the sentences on it.
Does not belong here: asking the cloud (`registry.py`), joining lists (`registry_lists.py`).
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from lib.datapoints import code_specs
from lib.errors import SourceError, Terminal
from lib.findings import Finding
from lib.registry_lists import Listed, Names, is_followed, is_listed, of_other_accounts

MOST_NAMED = 12  # so many differences of a specification stand in its sentence

_LINK = (
    "Em platform.tuya.com, Cloud, no seu projeto, abra Devices, Link App Account, e vincule a "
    "conta do aplicativo que os possui"
)
# What is said of several devices at once, by the last word of the finding's name.
_SAID = {
    "new": "A lista da nuvem traz {n} dispositivo(s) novo(s): {shown}. Também são pedidos seus "
    "logs dos últimos 7 dias; o que é mais antigo ela já esqueceu. Confira no aplicativo o nome, "
    "que é o que se imprime, ou dê outro em config.toml.",
    "not_followed": "A lista da nuvem traz {n} dispositivo(s) que config.toml não nomeia: {shown}. "
    "Seus logs não são pedidos, e a nuvem os esquece após 7 dias. Para segui-los também, "
    "acrescente a config.toml:\n{lines}",
    "left": "A lista da nuvem não traz mais {n} dispositivo(s): {shown}. Seus logs ainda são "
    "pedidos por 7 dias, mas podem deixar de vir; o que já veio fica. Se não saíram da casa, "
    "confira no console se a conta do aplicativo continua vinculada ao projeto.",
    "back": "A lista da nuvem traz de novo {n} dispositivo(s): {shown}. Seus logs voltam a ser "
    "pedidos, desde os últimos 7 dias; nada há a fazer.",
    "shared": "A lista da nuvem traz {n} dispositivo(s) de uma conta que não é a dos demais: "
    "{shown}. Seus logs podem ser recusados (1106), e então se perdem após 7 dias. " + _LINK + ".",
}
# What a change of a specification means for the data.
_MEANS = {
    "new": "O código novo passa a ser lido.",
    "gone": "Do código que sumiu não vêm mais linhas, e as figuras que o usam param aí.",
    "changed": "Valores fora da faixa de antes podem ser reais; enquanto uma unidade ou escala não "
    "puder ser lida, vale a de antes, e os números podem estar errados.",
}


def of_lists(before: Listed, after: Listed, named: Names) -> list[Finding]:
    """What differs between two lists; on the first one nothing is new, only of other accounts."""
    ever = {own: device for own, device in before.items() if "unlisted" not in device}
    here = {own: device for own, device in after.items() if is_listed(device)}
    pairs = _repaired_ids(before, here)
    told = {own for pair in pairs.items() for own in pair}
    new = [own for own in here if ever and own not in before and own not in told]
    left = [own for own in ever if own not in here and own not in told and is_listed(ever[own])]
    back = [own for own in here if own not in told and "left" in ever.get(own, {})]
    others = of_other_accounts(after) - of_other_accounts(before)
    used = {own: device for own, device in after.items() if is_followed(device)}
    return [
        *([_empty(named=bool(named))] if not ever and not here else []),
        *(_repaired(after, old, own, named) for own, old in pairs.items() if own in used),
        *_several("new", {own: used[own] for own in new if own in used}),
        *_several("not_followed", {own: after[own] for own in new if own not in used}),
        *_several("left", {own: used[own] for own in left if own in used}),
        *_several("back", {own: used[own] for own in back if own in used}),
        *_several("shared", {own: used[own] for own in here if own in others and own in used}),
        *_renamed(ever, {own: used[own] for own in here if own in used}, named),
    ]


def _repaired_ids(before: Listed, here: Listed) -> dict[str, str]:
    """New id -> old id of the devices that answer to another one since the last list."""
    return {
        own: str(old)
        for own, device in here.items()
        if (old := device.get("replaces")) and old != before.get(own, {}).get("replaces")
    }


def _several(event: str, devices: Listed) -> list[Finding]:
    """The finding of what happened to some devices, if it happened to any."""
    if not devices:
        return []
    names = {own: _name(own, device) for own, device in devices.items()}
    shown = ", ".join(_shown(own, name) for own, name in names.items())
    text = _SAID[event].format(n=len(names), shown=shown, lines=_lines(names))
    return [Finding(f"tcc.registry.device_{event}", text, {"device_ids": list(names)})]


def _name(own: str, device: dict[str, Any]) -> str:
    return str(device.get("name") or own)


def _shown(own: str, name: str) -> str:
    return own if name == own else f"{name} ({own})"


def _lines(names: Names) -> str:
    """The lines of config.toml that give names to devices."""
    return "\n".join(
        f'[[devices]]\nid = "{own}"\nname = {json.dumps(name, ensure_ascii=False)}'
        for own, name in names.items()
    )


def _renamed(ever: Listed, here: Listed, named: Names) -> Iterator[Finding]:
    """Devices with another name; the user's own, which older lists kept, is none of the app."""
    for own, device in here.items():
        old, new = ever.get(own, {}).get("name"), device.get("name")
        if old and new and old != new and named.get(own) != old:
            printed = (
                f"Imprime-se {named[own]}, como diz config.toml; nada há a fazer."
                if own in named
                else "Imprime-se o mais novo, também sobre os dados de antes; se a tomada mede "
                "outro aparelho agora, diga no texto desde quando, ou dê um nome em config.toml."
            )
            text = f"O dispositivo {own} chamava-se {old} e agora se chama {new}. {printed}"
            data = {"device_id": own, "old": str(old), "new": str(new)}
            yield Finding("tcc.registry.device_renamed", text, data)


def _repaired(after: Listed, old: str, new: str, named: Names) -> Finding:
    name = named.get(old) or _name(old, after[old])
    lines = _lines(_both_called(name, after, old, new, named))
    by_app = "" if named else f"dê ao novo, no aplicativo, o nome {name}, ou "
    whole = "" if named else ", que então deve nomear todos os que se seguem"
    todo = f"Para que as duas levem o mesmo nome, {by_app}acrescente a config.toml{whole}:\n{lines}"
    text = (
        f"O dispositivo {name} foi pareado de novo: o identificador {old} deu lugar a {new}. São "
        "duas séries: os logs de antes, se a nuvem ainda os dá, vêm sob o antigo, pedido por mais "
        "7 dias, e os de agora sob o novo, que já é pedido. "
    ) + (todo if lines else "As duas já levam o mesmo nome; nada há a fazer.")
    return Finding("tcc.registry.device_repaired", text, {"old_id": old, "new_id": new})


def _both_called(name: str, after: Listed, old: str, new: str, named: Names) -> dict[str, str]:
    """Id -> name of what config.toml lacks so that both ids carry one name."""
    both = {old: name, new: name}
    if named:
        return {own: name for own in both if named.get(own) != name}
    here = {own: _name(own, device) for own, device in after.items() if is_listed(device)}
    return {} if here[new] == name else here | both


def respecified(device: dict[str, Any], old: Any, new: Any, now: datetime) -> list[Finding]:
    """The finding of codes that are new, gone or of another range.

    Of a scale or unit it speaks only where it cannot be read: any other change of them blocks
    the page by a finding of its own (`staging_findings.py`).
    """
    before, after = _codes(old), _codes(new)
    changed = {code: _differences(code, old, new) for code in before if code in after}
    data = {
        "new": [code for code in after if code not in before],
        "gone": [code for code in before if code not in after],
        "changed": [code for code, parts in changed.items() if parts],
    }
    if not any(data.values()):
        return []
    told = [f"{code} é novo" for code in data["new"]] + [f"{code} sumiu" for code in data["gone"]]
    told += [f"{code}: {part}" for code, parts in changed.items() for part in parts]
    more = f"; e mais {len(told) - MOST_NAMED}" if len(told) > MOST_NAMED else ""
    own, means = str(device["id"]), " ".join(_MEANS[kind] for kind in data if data[kind])
    text = (
        f"A especificação de {_shown(own, _name(own, device))} é outra desde {now:%d/%m/%Y}: "
        f"{'; '.join(told[:MOST_NAMED])}{more}. As duas estão guardadas com sua data. {means} Se o "
        "firmware não foi atualizado, confira no console o modo de instruções do produto "
        "(Standard ou DP)."
    )
    return [Finding("tcc.registry.respecified", text, {"device_id": own} | data)]


def reported(specification: Any) -> list[str]:
    """The codes that a device reports by its specification; none where it cannot be read."""
    parts = specification if isinstance(specification, dict) else {}
    return [*_codes({"status": parts.get("status")})]


def _codes(specification: Any) -> dict[str, dict[str, Any]]:
    """Code -> its type and values; what is reported of it stands before what can be set."""
    parts = specification if isinstance(specification, dict) else {}
    lists = [part for name in ("functions", "status") if isinstance(part := parts.get(name), list)]
    items = [item for part in lists for item in part if isinstance(item, dict)]
    return {
        item["code"]: _values(item)
        for item in items
        if isinstance(item.get("code"), str) and item["code"]
    }


def _values(item: dict[str, Any]) -> dict[str, Any]:
    values = item.get("values")
    with suppress(ValueError, RecursionError):
        values = json.loads(values) if isinstance(values, str) else values
    return {"type": item.get("type")} | (values if isinstance(values, dict) else {"values": values})


def _differences(code: str, old: Any, new: Any) -> list[str]:
    """What differs of a code's type, range, and of a scale or unit that cannot be read."""
    before, after = _codes(old)[code], _codes(new)[code]
    read = all(code in {spec.code for spec in code_specs(one)} for one in (old, new))
    return [
        f"{name} de {before.get(name, 'nada')} para {after.get(name, 'nada')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name) and not (read and name in ("scale", "unit"))
    ]


def odd(ids: list[str]) -> list[Finding]:
    """The finding that names listed ids which cannot name a folder."""
    if not ids:
        return []
    shown = ", ".join(repr(own[:80]) for own in ids)
    text = (
        f"A nuvem lista {len(ids)} identificador(es) que não podem nomear uma pasta: {shown}. "
        "Os logs deles não são pedidos e faltam em toda figura; confira quem responde em "
        "API_ENDPOINT."
    )
    return [Finding("tcc.registry.odd_id", text, {"ids": ids})]


def _empty(*, named: bool) -> Finding:
    lost = "os de config.toml são pedidos, mas podem ser recusados" if named else "nada é coletado"
    text = (
        f"A nuvem respondeu, mas não lista nenhum dispositivo: {lost}, e ela esquece os logs após "
        f"7 dias. {_LINK}; confira se TUYA_REGION (.env) é o data center dela. Depois, execute "
        "tcc ingest."
    )
    return Finding("tcc.registry.no_device", text)


def refused(what: str, error: SourceError) -> Finding:
    """The finding of a question that the cloud refused or did not answer."""
    text = f"A nuvem não forneceu a {what}: {error}"
    terminal = isinstance(error, Terminal)
    return Finding("tcc.registry.refused", text, {"code": error.code, "terminal": terminal})
