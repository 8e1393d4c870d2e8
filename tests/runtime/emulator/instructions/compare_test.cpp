// setp, set, selp and slct, by type and relation.
#include "tests/runtime/emulator/instructions/cases/check_cases.h"
#include "tests/runtime/emulator/instructions/cases/compare_cases.h"

using namespace tenon::emulator;

TEST_CASE("emulator: comparisons and selections of every type and relation") {
  for (const Cases& cases : {setp_cases(), set_cases(), select_cases()}) {
    check_on_emulator(cases);
    check_with_ptxas(cases);
  }
}
