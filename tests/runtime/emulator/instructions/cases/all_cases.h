// all_cases.h: every case, by the names that a report gives them.
#pragma once
#include <utility>

#include "tests/runtime/emulator/instructions/cases/bit_cases.h"
#include "tests/runtime/emulator/instructions/cases/compare_cases.h"

namespace tenon::emulator {

inline std::vector<std::pair<std::string, Cases>> all_cases() {
  return {{"integer arithmetic", integer_arithmetic_cases()},
          {"packed integers", packed_integer_cases()},
          {"carries", carry_cases()},
          {"dot products", dot_cases()},
          {"logic", logic_cases()},
          {"shifts", shift_cases()},
          {"permutations", permute_cases()},
          {"fields", field_cases()},
          {"f32 and f64", wide_float_cases()},
          {"f16 and bf16", small_float_cases()},
          {"extremes", extreme_cases()},
          {"signs", sign_cases()},
          {"approximations", approximate_cases()},
          {"integers to integers", integer_convert_cases()},
          {"floats to integers", float_to_integer_cases()},
          {"integers to floats", integer_to_float_cases()},
          {"floats to floats", float_to_float_cases()},
          {"packed conversions", packed_convert_cases()},
          {"setp", setp_cases()},
          {"set", set_cases()},
          {"selections", select_cases()},
          {"approximations in 16 bits", small_approximate_cases()}};
}

}  // namespace tenon::emulator
