// Logic, shifts, fields, permutations, instruction by instruction.
#include "tests/runtime/emulator/instructions/cases/bit_cases.h"
#include "tests/runtime/emulator/instructions/cases/check_cases.h"

using namespace tenon::emulator;

TEST_CASE("emulator: logic, shifts, fields and permutations of every type and mode") {
  for (const Cases& cases : {logic_cases(), shift_cases(), permute_cases(), field_cases()}) {
    check_on_emulator(cases);
    check_with_ptxas(cases);
  }
}
