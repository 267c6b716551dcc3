"""What a specification says of a code: its type, scale and unit."""

import pytest

from lib.datapoints import KNOWN, CodeSpec, code_specs


@pytest.mark.parametrize(
    ("kind", "is_number", "is_integer"),
    [
        ("Integer", True, True),
        ("value", True, True),
        ("Bitmap", True, True),
        ("Float", True, False),
        ("Boolean", False, False),
        ("Enum", False, False),
        ("Raw", False, False),
        ("Json", False, False),
        ("String", False, False),
        ("", False, False),
    ],
)
def test_the_type_says_whether_values_are_numbers_and_whole_ones(
    kind: str, is_number: bool, is_integer: bool
) -> None:
    spec = CodeSpec("any", kind, 0, "")
    assert (spec.is_number, spec.is_integer) == (is_number, is_integer)


def test_a_bit_mask_needs_neither_scale_nor_unit() -> None:
    item = {"code": "fault", "type": "Bitmap", "values": '{"label":["ov_cr","ov_vol"]}'}
    assert code_specs({"status": [item]}) == [CodeSpec("fault", "Bitmap", 0, "")]


def test_a_number_without_a_scale_is_left_to_the_typical_one() -> None:
    item = {"code": "cur_power", "type": "Integer", "values": '{"unit":"W"}'}
    assert code_specs({"status": [item]}) == []
    assert (KNOWN["cur_power"].scale, KNOWN["cur_power"].unit) == (1, "W")
