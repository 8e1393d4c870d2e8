// Float instructions, one by one.
#include "tests/runtime/emulator/instructions/cases/check_cases.h"
#include "tests/runtime/emulator/instructions/cases/float_cases.h"

using namespace tenon::emulator;

TEST_CASE("emulator: float arithmetic of every type, rounding and modifier") {
  for (const Cases& cases :
       {wide_float_cases(), small_float_cases(), extreme_cases(), sign_cases(), small_approximate_cases()}) {
    check_on_emulator(cases);
    check_with_ptxas(cases);
  }
}

TEST_CASE("emulator: approximations are rounded right, or off within the bounds of the ISA") {
  check_on_emulator(approximate_cases());
  check_on_emulator(approximate_cases(), Numerics::kHardware);
  check_on_emulator(small_approximate_cases(), Numerics::kHardware);
  check_with_ptxas(approximate_cases());
}
