// convert.h: elements in bulk between their storage and the types in which arithmetic is done.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ir/dtype.h"

namespace tenon {

/// `count` elements of a float type (or bool) as f32: exact. `data` need not be aligned.
void to_f32(DType dtype, const std::byte* data, int64_t count, float* out);
/// Rounded to nearest even, overflow to infinity (of 8-bit floats to the largest value); bool is x != 0.
void from_f32(const float* values, int64_t count, DType dtype, std::byte* out);
/// As from_f32 with one rounding.
void from_f64(const double* values, int64_t count, DType dtype, std::byte* out);

/// `count` integers (or bools) as i64.
void to_i64(DType dtype, const std::byte* data, int64_t count, int64_t* out);
/// The low bits: integers wrap; bool is x != 0.
void from_i64(const int64_t* values, int64_t count, DType dtype, std::byte* out);

}  // namespace tenon
