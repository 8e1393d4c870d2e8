// cvt, by pair of types and modifiers.
#include "tests/runtime/emulator/instructions/cases/check_cases.h"
#include "tests/runtime/emulator/instructions/cases/convert_cases.h"

using namespace tenon::emulator;

TEST_CASE("emulator: conversions between all types with all modifiers") {
  for (const Cases& cases : {integer_convert_cases(), float_to_integer_cases(), integer_to_float_cases(),
                             float_to_float_cases(), packed_convert_cases()}) {
    check_on_emulator(cases);
    check_with_ptxas(cases);
  }
}
