"""Registers to values and back, judged by struct and pysunspec2."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sunspec2 import mb

from gateway.model.quality import Quality
from gateway.profiles.decode_plan import DecodePlan
from gateway.profiles.registers import (
    TYPE_FACTS,
    RegisterField,
    RegisterType,
    WordOrder,
    absent_registers,
    decode_string,
    encode,
    encode_string,
    parse_type,
)

ONLINE = int(Quality.ONLINE)
#: struct letter of each writable type, written here again so that it judges
CODES = {
    RegisterType.UINT16: "H",
    RegisterType.INT16: "h",
    RegisterType.UINT32: "I",
    RegisterType.INT32: "i",
    RegisterType.UINT64: "Q",
    RegisterType.INT64: "q",
    RegisterType.ACC16: "H",
    RegisterType.ACC32: "I",
    RegisterType.ACC64: "Q",
    RegisterType.ENUM16: "H",
    RegisterType.ENUM32: "I",
    RegisterType.BITFIELD16: "H",
    RegisterType.BITFIELD32: "I",
    RegisterType.SUNSSF: "h",
    RegisterType.FLOAT32: "f",
    RegisterType.FLOAT64: "d",
}
WHOLE = [kind for kind, code in CODES.items() if code not in "fd"]
orders = st.sampled_from(WordOrder)


def decode(field: RegisterField, registers) -> tuple[float, int]:
    row = np.array(registers, dtype=np.uint16)
    values, flags = DecodePlan([field]).decode(row)
    return float(values[0]), int(flags[0])


def bounds(code: str) -> tuple[int, int]:
    bits = 8 * struct.calcsize(code)
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if code.islower() else (0, (1 << bits) - 1)


@given(st.data(), st.sampled_from(WHOLE), orders)
def test_whole_numbers_lie_as_struct_says(data, kind: RegisterType, order: WordOrder) -> None:
    low, high = bounds(CODES[kind])
    number = data.draw(st.integers(max(low, -(1 << 53)), min(high, 1 << 53)))
    registers = encode(number, kind, word_order=order)
    packed = struct.pack(f">{CODES[kind]}", number)
    words = struct.unpack(f">{len(packed) // 2}H", packed)
    assert registers == (words if order is WordOrder.BIG else words[::-1])
    assert decode(RegisterField(0, kind, word_order=order), registers) == (number, ONLINE)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), orders)
def test_float32_round_trips(number: float, order: WordOrder) -> None:
    registers = encode(number, RegisterType.FLOAT32, word_order=order)
    field = RegisterField(0, RegisterType.FLOAT32, word_order=order)
    assert decode(field, registers) == (number, ONLINE)


@given(st.floats(allow_nan=False, allow_infinity=False), orders)
def test_float64_round_trips(number: float, order: WordOrder) -> None:
    registers = encode(number, RegisterType.FLOAT64, word_order=order)
    field = RegisterField(0, RegisterType.FLOAT64, word_order=order)
    assert decode(field, registers) == (number, ONLINE)


@given(st.floats(-30000, 30000), st.sampled_from([0.001, 0.1, 1.0, 10.0, -0.5]), st.floats(-50, 50))
def test_scaled_value_comes_back_within_half_a_step(
    value: float, scale: float, offset: float
) -> None:
    kind = RegisterType.INT32
    registers = encode(value, kind, scale=scale, offset=offset)
    back, flags = decode(RegisterField(0, kind, scale=scale, offset=offset), registers)
    assert flags == ONLINE
    assert abs(back - value) <= abs(scale) / 2 * (1 + 1e-6)


@given(st.sampled_from(WHOLE), st.floats())
def test_any_value_is_encoded_exactly_or_refused(kind: RegisterType, value: float) -> None:
    low, high = bounds(CODES[kind])
    if math.isfinite(value) and low <= round(value) <= high:
        back, _ = decode(RegisterField(0, kind), encode(value, kind))
        assert back == float(round(value))
    else:
        with pytest.raises(ValueError, match=r"fit|not a number"):
            encode(value, kind)


@pytest.mark.parametrize("value", [1e39, -1e39])
def test_float32_overflow_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode(value, RegisterType.FLOAT32)


@pytest.mark.parametrize("kind", [k for k in TYPE_FACTS if k is not RegisterType.BIT])
@pytest.mark.parametrize("order", WordOrder)
def test_not_implemented_values_agree_with_pysunspec2(kind: RegisterType, order: WordOrder) -> None:
    data = mb.create_unimpl_value(kind.value)
    words = struct.unpack(f">{len(data) // 2}H", data)
    registers = words if order is WordOrder.BIG else words[::-1]
    assert absent_registers(kind, order) == registers
    value, flags = decode(RegisterField(0, kind, word_order=order, sunspec=True), registers)
    assert math.isnan(value)
    assert flags == 0
    if kind not in (RegisterType.FLOAT32, RegisterType.FLOAT64):
        # the same registers are an ordinary number in plain Modbus
        assert decode(RegisterField(0, kind, word_order=order), registers)[1] == ONLINE


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("code", ["f", "d"])
@pytest.mark.parametrize("sunspec", [True, False])
def test_a_float_that_is_no_number_is_never_good(number: float, code: str, sunspec: bool) -> None:
    packed = struct.pack(f">{code}", number)
    kind = RegisterType.FLOAT32 if code == "f" else RegisterType.FLOAT64
    words = struct.unpack(f">{len(packed) // 2}H", packed)
    assert decode(RegisterField(0, kind, sunspec=sunspec), words)[1] == 0


def test_signalling_nan_is_never_good() -> None:
    assert decode(RegisterField(0, RegisterType.FLOAT32), (0x7F80, 0x0001))[1] == 0


@given(st.integers(-0x7FFF, 0x7FFF), st.integers(-0x8000, 0x7FFF))
def test_scale_factor_register(raw: int, factor: int) -> None:
    field = RegisterField(0, RegisterType.INT16, scale_factor_at=1, sunspec=True)
    value, flags = decode(field, (raw & 0xFFFF, factor & 0xFFFF))
    if -10 <= factor <= 10:
        assert flags == ONLINE
        assert value == pytest.approx(raw * 10.0**factor, rel=1e-12)
    else:
        assert flags == 0
        assert math.isnan(value)


@given(st.integers(0, 0xFFFF), st.integers(0, 15))
def test_bits(register: int, bit: int) -> None:
    kind, parsed = parse_type(f"bit{bit}")
    assert decode(RegisterField(0, kind, bit=parsed), (register,)) == (
        float(register >> bit & 1),
        ONLINE,
    )


@given(st.lists(st.lists(st.integers(0, 0xFFFF), min_size=12, max_size=12), min_size=1))
def test_a_matrix_decodes_as_its_rows(rows: list[list[int]]) -> None:
    fields = [
        RegisterField(0, RegisterType.INT16, scale=0.1),
        RegisterField(1, RegisterType.UINT32, word_order=WordOrder.LITTLE, sunspec=True),
        RegisterField(3, RegisterType.FLOAT32),
        RegisterField(5, RegisterType.INT16, scale_factor_at=0),
        RegisterField(6, RegisterType.ACC64, sunspec=True),
        RegisterField(10, RegisterType.BIT, bit=3),
        RegisterField(11, RegisterType.INT16, scale=2.0, offset=-1.0),
    ]
    plan = DecodePlan(fields)
    matrix = np.array(rows, dtype=np.uint16)
    values, flags = plan.decode(matrix)
    for row, got, got_flags in zip(matrix, values, flags, strict=True):
        for position, field in enumerate(fields):
            value, flag = decode(field, row)
            assert flag == got_flags[position]
            assert value == got[position] or (math.isnan(value) and math.isnan(got[position]))


def test_writing_not_implemented_is_refused_in_sunspec_only() -> None:
    assert encode(65535, RegisterType.UINT16) == (0xFFFF,)
    with pytest.raises(ValueError, match="not implemented"):
        encode(65535, RegisterType.UINT16, sunspec=True)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=16))
def test_strings(text: str) -> None:
    assert decode_string(encode_string(text, 8)) == text


def test_string_too_long() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode_string("x" * 17, 8)


@pytest.mark.parametrize("text", ["bit16", "bit", "int8", "", "float"])
def test_unknown_types_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"type|bits"):
        parse_type(text)


@pytest.mark.parametrize(
    "settings",
    [{"scale": 0.0}, {"scale": math.nan}, {"offset": math.inf}, {"bit": 16}, {"at": -1}],
)
def test_impossible_fields_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        RegisterField(**{"at": 0, "type": RegisterType.INT16, **settings})


def test_short_row_is_refused() -> None:
    with pytest.raises(ValueError, match="2 are needed"):
        DecodePlan([RegisterField(0, RegisterType.INT32)]).decode(np.zeros(1, dtype=np.uint16))
