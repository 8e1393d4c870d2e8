// Integer arithmetic, instruction by instruction.
#include "tests/runtime/emulator/instructions/cases/check_cases.h"
#include "tests/runtime/emulator/instructions/cases/integer_cases.h"

using namespace tenon::emulator;

TEST_CASE("emulator: integer arithmetic of every type and modifier") {
  for (const Cases& cases :
       {integer_arithmetic_cases(), packed_integer_cases(), carry_cases(), dot_cases()}) {
    check_on_emulator(cases);
    check_with_ptxas(cases);
  }
}
