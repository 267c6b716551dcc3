"""Settings, credentials and mappings: what is accepted, and how the rest is refused."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from lib import config
from lib.errors import ConfigError

ACCESS_ID = "an-id-made-up-for-this-test"
CANARY = "canary-7f3a91-must-not-be-printed"  # pragma: allowlist secret
PLUG = "bf0000000000000000abcd"


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A complete pair of credentials, and the way to change the environment around it."""
    monkeypatch.setenv("TUYA_ACCESS_ID", ACCESS_ID)
    monkeypatch.setenv("TUYA_ACCESS_SECRET", CANARY)
    return monkeypatch


def refused(root: Path) -> str:
    """The message with which the credentials of a folder are refused."""
    with pytest.raises(ConfigError) as caught:
        config.credentials(root)
    assert CANARY not in str(caught.value)
    return str(caught.value)


def test_without_any_credentials_there_are_none(tmp_path: Path) -> None:
    assert config.credentials(tmp_path) is None


def test_half_a_pair_names_the_missing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUYA_ACCESS_ID", ACCESS_ID)
    assert "TUYA_ACCESS_SECRET is missing" in refused(tmp_path)
    monkeypatch.delenv("TUYA_ACCESS_ID")
    monkeypatch.setenv("TUYA_ACCESS_SECRET", CANARY)
    assert "TUYA_ACCESS_ID is missing" in refused(tmp_path)


def test_the_older_names_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCESS_ID", ACCESS_ID)
    monkeypatch.setenv("ACCESS_SECRET", CANARY)
    monkeypatch.setenv("API_ENDPOINT", "https://openapi.tuyaus.com")
    found = config.credentials(tmp_path)
    assert found and found.access_id.get_secret_value() == ACCESS_ID


def test_an_empty_variable_counts_as_absent(tmp_path: Path, pair: pytest.MonkeyPatch) -> None:
    for name in ("TUYA_CA_BUNDLE", "DEVICE_MAPPING_PATH", "API_ENDPOINT"):
        pair.setenv(name, "")
    pair.setenv("TUYA_REGION", "eu")
    found = config.credentials(tmp_path)
    assert found and found.host == "openapi.tuyaeu.com" and found.ca_bundle is None
    assert config.mapped_devices(tmp_path) == []
    pair.setenv("TUYA_ACCESS_ID", " ")
    assert "TUYA_ACCESS_ID is missing" in refused(tmp_path)


def test_blanks_picked_up_by_copying_are_dropped(tmp_path: Path, pair: pytest.MonkeyPatch) -> None:
    pair.setenv("TUYA_ACCESS_SECRET", f" {CANARY}\n")
    pair.setenv("TUYA_REGION", " US ")
    found = config.credentials(tmp_path)
    assert found and found.access_secret.get_secret_value() == CANARY
    assert found.host == "openapi.tuyaus.com"


@pytest.mark.parametrize("region", [None, "", "br", "brazil", CANARY])
def test_an_unknown_region_is_refused_and_not_taken_for_china(
    tmp_path: Path, pair: pytest.MonkeyPatch, region: str | None
) -> None:
    if region is not None:
        pair.setenv("TUYA_REGION", region)
    message = refused(tmp_path)
    assert "TUYA_REGION" in message and "us-e" in message


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("https://openapi.tuyaus.com", "openapi.tuyaus.com"),
        ("https://openapi.tuyaus.com/", "openapi.tuyaus.com"),
        ("openapi.tuyaeu.com", "openapi.tuyaeu.com"),
        ("https://127.0.0.1:8443", "127.0.0.1:8443"),
    ],
)
def test_an_endpoint_stands_before_the_region(
    tmp_path: Path, pair: pytest.MonkeyPatch, endpoint: str, host: str
) -> None:
    pair.setenv("API_ENDPOINT", endpoint)
    pair.setenv("TUYA_REGION", "cn")
    found = config.credentials(tmp_path)
    assert found and found.host == host


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://openapi.tuyaus.com",
        "ftp://openapi.tuyaus.com",
        "https://",
        "https://openapi.tuyaus.com/v1.0",
        "https://host:not-a-port",
        "https://[::1",
        f"https://user:{CANARY}@openapi.tuyaus.com",
    ],
)
def test_an_endpoint_that_is_no_https_host_is_refused(
    tmp_path: Path, pair: pytest.MonkeyPatch, endpoint: str
) -> None:
    pair.setenv("API_ENDPOINT", endpoint)
    assert "API_ENDPOINT" in refused(tmp_path)


def test_a_ca_bundle_is_found_from_the_project_folder(
    tmp_path: Path, pair: pytest.MonkeyPatch
) -> None:
    pair.setenv("TUYA_REGION", "us")
    pair.setenv("TUYA_CA_BUNDLE", "ca.pem")
    assert "TUYA_CA_BUNDLE" in refused(tmp_path)
    (tmp_path / "ca.pem").touch()
    found = config.credentials(tmp_path)
    assert found and found.ca_bundle == tmp_path / "ca.pem"


def test_the_dotenv_file_is_read_and_the_environment_stands_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TCC_ENV_FILE")
    lines = (f"TUYA_ACCESS_ID={ACCESS_ID}", f"TUYA_ACCESS_SECRET={CANARY}", "TUYA_REGION=us")
    (tmp_path / ".env").write_text("\n".join(lines))
    monkeypatch.setenv("TUYA_REGION", "sg")
    found = config.credentials(tmp_path)
    assert found and found.host == "openapi-sg.iotbing.com"
    assert found.access_id.get_secret_value() == ACCESS_ID


def test_a_dotenv_file_that_is_no_text_is_an_error_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCC_ENV_FILE", str(tmp_path / "odd.env"))
    (tmp_path / "odd.env").write_bytes(b"TUYA_ACCESS_ID=\xff\xfe\n")
    assert "odd.env" in refused(tmp_path)


def test_secrets_print_as_asterisks(tmp_path: Path, pair: pytest.MonkeyPatch) -> None:
    pair.setenv("TUYA_REGION", "us")
    found = config.credentials(tmp_path)
    shown = f"{found!r} {found} {config.environment(tmp_path)!r}"
    assert CANARY not in shown and ACCESS_ID not in shown and "****" in shown


def wizard(folder: Path, **changed: object) -> None:
    """Write tinytuya.json as tinytuya's wizard does."""
    known = {"apiKey": ACCESS_ID, "apiSecret": CANARY, "apiRegion": "us-e"}
    (folder / "tinytuya.json").write_text(json.dumps(known | changed))


def test_the_wizard_s_file_serves_where_the_environment_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wizard(tmp_path)
    found = config.credentials(tmp_path)
    assert found and found.host == "openapi-ueaz.tuyaus.com"
    assert found.access_secret.get_secret_value() == CANARY
    monkeypatch.setenv("TUYA_REGION", "eu")
    found = config.credentials(tmp_path)
    assert found and found.host == "openapi.tuyaeu.com"


def test_the_environment_s_pair_stands_before_the_wizard_s(
    tmp_path: Path, pair: pytest.MonkeyPatch
) -> None:
    wizard(tmp_path, apiKey="of the wizard", apiRegion="cn")  # pragma: allowlist secret
    pair.setenv("TUYA_REGION", "in")
    found = config.credentials(tmp_path)
    assert found and found.access_id.get_secret_value() == ACCESS_ID
    assert found.host == "openapi.tuyain.com"


@pytest.mark.parametrize("text", ["{", "[]", '"text"', "", f'{{"apiSecret": "{CANARY}"'])
def test_a_broken_wizard_file_is_an_error_with_its_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "tinytuya.json").write_text(text)
    assert "tinytuya.json" in refused(tmp_path)


@pytest.mark.parametrize("changed", [{"apiSecret": None}, {"apiKey": ""}, {"apiRegion": 5}])
def test_an_incomplete_wizard_file_is_refused(tmp_path: Path, changed: dict[str, object]) -> None:
    wizard(tmp_path, **changed)
    assert refused(tmp_path)


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    found = config.load(tmp_path)
    assert found.site.time_zone == "America/Sao_Paulo"
    assert found.site.nominal_voltage_v == 127
    assert (found.ingestion.retention_days, found.energy.gap_limit_h) == (7, 3)


def test_the_committed_settings_are_the_defaults() -> None:
    assert config.load().ingestion == config.Ingestion()
    assert config.load().energy == config.Energy()


def test_settings_cannot_be_changed_after_reading(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        config.load(tmp_path).energy.gap_limit_h = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ("[site", "config.toml"),
        ("[sitio]\nname = 'x'", "sitio"),
        ("[site]\ncolour = 'x'", "site.colour"),
        ("[site]\nnominal_voltage_v = 115", "site.nominal_voltage_v"),
        ("[site]\ntime_zone = 'Sao Paulo'", "site.time_zone"),
        ("[site]\ntime_zone = 'America'", "site.time_zone"),
        ("[ingestion]\nretention_days = 0", "ingestion.retention_days"),
        ("[ingestion]\npage_size = 500", "ingestion.page_size"),
        ("[energy]\ngap_limit_h = 'three'", "energy.gap_limit_h"),
        ("[[devices]]\nid = 'bf0000000000000000abcd'", "devices.0.name"),
        ("[[devices]]\nid = '../../etc'\nname = 'x'", "devices.0.id"),
        ("[[devices]]\nid = 'a..b'\nname = 'x'", "devices.0.id"),
        ("[[devices]]\nid = '_a'\nname = 'x'", "devices.0.id"),
        (f"[site]\naccess_secret = '{CANARY}'", "site.access_secret"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(tmp_path: Path, toml: str, named: str) -> None:
    (tmp_path / "config.toml").write_text(toml)
    with pytest.raises(ConfigError) as caught:
        config.load(tmp_path)
    assert named in str(caught.value) and "config.toml" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_both_mapping_forms_name_devices(tmp_path: Path) -> None:
    forms = {PLUG: "Geladeira", "eb11": {"name": "Abajur", "on_off_code": "switch_led", "x": 1}}
    (tmp_path / "device_mapping.json").write_text(json.dumps(forms))
    assert config.mapped_devices(tmp_path) == [
        config.Device(id=PLUG, name="Geladeira"),
        config.Device(id="eb11", name="Abajur", on_off_code="switch_led"),
    ]


@pytest.mark.parametrize("name", ["demo_plug_1", "eb.12", "a1", "x" * 64])
def test_an_id_may_have_underscores_and_dots(tmp_path: Path, name: str) -> None:
    (tmp_path / "device_mapping.json").write_text(json.dumps({name: "Geladeira"}))
    assert config.mapped_devices(tmp_path) == [config.Device(id=name, name="Geladeira")]


def test_of_the_wizard_s_devices_only_id_and_name_are_read(tmp_path: Path) -> None:
    devices = [{"id": PLUG, "name": "Geladeira", "key": CANARY, "ip": "192.168.0.9"}]
    (tmp_path / "devices.json").write_text(json.dumps(devices))
    found = config.load(tmp_path).devices
    assert found == (config.Device(id=PLUG, name="Geladeira"),)
    assert CANARY not in repr(found)


def test_a_named_mapping_stands_before_the_others_and_config_toml_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "device_mapping.json").write_text(json.dumps({PLUG: "of the default mapping"}))
    (tmp_path / "mine.json").write_text(json.dumps({PLUG: "of mine", "eb22": "Ferro"}))
    monkeypatch.setenv("DEVICE_MAPPING_PATH", str(tmp_path / "mine.json"))
    assert [d.name for d in config.load(tmp_path).devices] == ["of mine", "Ferro"]
    (tmp_path / "config.toml").write_text(f"[[devices]]\nid = '{PLUG}'\nname = 'Geladeira'")
    assert [d.name for d in config.load(tmp_path).devices] == ["Geladeira", "Ferro"]


@pytest.mark.parametrize(
    ("mapping", "named"),
    [
        ("{", "device_mapping.json"),
        ('"text"', "device_mapping.json"),
        ('["bf0000000000000000abcd"]', "id"),
        (json.dumps({PLUG: ""}), PLUG),
        (json.dumps({PLUG: 7}), PLUG),
        (json.dumps({PLUG: {"on_off_code": "switch"}}), PLUG),
        (json.dumps({"../up": "x"}), "id"),
    ],
)
def test_a_broken_mapping_is_an_error_that_names_file_and_device(
    tmp_path: Path, mapping: str, named: str
) -> None:
    (tmp_path / "device_mapping.json").write_text(mapping)
    with pytest.raises(ConfigError) as caught:
        config.load(tmp_path)
    assert named in str(caught.value) and "device_mapping.json" in str(caught.value)


def test_a_mapping_that_is_named_must_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEVICE_MAPPING_PATH", "nowhere.json")
    with pytest.raises(ConfigError, match="DEVICE_MAPPING_PATH"):
        config.load(tmp_path)


def test_an_error_says_what_where_what_is_at_risk_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUYA_ACCESS_ID", ACCESS_ID)
    with pytest.raises(ConfigError) as caught:
        config.credentials(tmp_path)
    assert all((caught.value.what, caught.value.where, caught.value.risk, caught.value.remedy))


def test_a_zone_that_is_not_whole_hours_from_utc_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[site]\ntime_zone = "Asia/Kolkata"\n')
    with pytest.raises(ConfigError, match="whole hours"):
        config.load(tmp_path)
