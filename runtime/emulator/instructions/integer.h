// integer.h: the integer side of the opcodes that integers and floats share: arithmetic.cpp asks here when the type is no float.
#pragma once
#include <optional>

#include "runtime/emulator/program/decoder.h"

namespace tenon::emulator {

/// Each decodes one instruction of which arithmetic.cpp has consumed the type, where it has one of ptx::Type (packed integers are
/// none: "s16x2"), and nothing else.
void decode_integer_add(Decoder& d, std::optional<ptx::Type> type);
void decode_integer_sub(Decoder& d, std::optional<ptx::Type> type);
void decode_integer_mul(Decoder& d, std::optional<ptx::Type> type);
void decode_integer_mad(Decoder& d, std::optional<ptx::Type> type);
void decode_integer_div(Decoder& d, std::optional<ptx::Type> type);
void decode_integer_min(Decoder& d, std::optional<ptx::Type> type);
void decode_integer_max(Decoder& d, std::optional<ptx::Type> type);
void decode_integer_neg(Decoder& d, std::optional<ptx::Type> type);
void decode_integer_abs(Decoder& d, std::optional<ptx::Type> type);

}  // namespace tenon::emulator
