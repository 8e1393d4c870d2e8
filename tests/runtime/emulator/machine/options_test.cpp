// options_test.cpp: the environment's words for options.
#include <doctest/doctest.h>

#include <cstdlib>

#include "ir/diagnostics.h"
#include "runtime/emulator/machine/launch.h"

namespace tenon::emulator {
namespace {

Options with(const char* name, const char* value) {
  setenv(name, value, 1);
  Options options;
  try {
    options = options_from_environment();
  } catch (const Error&) {
    unsetenv(name);
    throw;
  }
  unsetenv(name);
  return options;
}

std::string refusal(const char* name, const char* value) {
  try {
    with(name, value);
  } catch (const Error& error) {
    return llvm::StringRef(error.what()).rtrim().str();
  }
  return "";
}

TEST_CASE("emulator: options: the environment sets them") {
  CHECK(with("TENON_EMULATOR_SEED", "17").seed == 17);
  CHECK(with("TENON_EMULATOR_SEED", "").seed == 0);
  CHECK(with("TENON_EMULATOR_BUDGET", "1000").instruction_budget == 1000);
  CHECK(with("TENON_EMULATOR_THREADS", "3").host_threads == 3);
  CHECK(with("TENON_EMULATOR_ONE_LANE", "1").one_lane);
  CHECK(!with("TENON_EMULATOR_ONE_LANE", "0").one_lane);
  CHECK(with("TENON_EMULATOR_LAZY_COPIES", "1").lazy_copies);
  CHECK(with("TENON_EMULATOR_NUMERICS", "hardware").numerics == Numerics::kHardware);
  CHECK(with("TENON_EMULATOR_NUMERICS", "reference").numerics == Numerics::kReference);
  const Options some = with("TENON_EMULATOR_CHECKS", "-uninitialised, global_races");
  CHECK(!some.uninitialised);
  CHECK(some.shared_races);
  CHECK(some.global_races);
  const Options only = with("TENON_EMULATOR_CHECKS", "-all,uninitialised");
  CHECK(only.uninitialised);
  CHECK(!only.shared_races);
  CHECK(!only.global_races);
}

TEST_CASE("emulator: options: words that mean nothing are refused") {
  CHECK(refusal("TENON_EMULATOR_SEED", "x") ==
        "error: TENON_EMULATOR_SEED is 'x', which means nothing\n  hint: a whole number");
  CHECK(refusal("TENON_EMULATOR_SEED", "-1") != "");
  CHECK(refusal("TENON_EMULATOR_THREADS", "0") ==
        "error: TENON_EMULATOR_THREADS is '0', which means nothing\n  hint: a whole number, 1 or more");
  CHECK(refusal("TENON_EMULATOR_BUDGET", "12k") != "");
  CHECK(refusal("TENON_EMULATOR_ONE_LANE", "yes") ==
        "error: TENON_EMULATOR_ONE_LANE is 'yes', which means nothing\n  hint: 0 or 1");
  CHECK(refusal("TENON_EMULATOR_NUMERICS", "exact") ==
        "error: TENON_EMULATOR_NUMERICS is 'exact', which means nothing\n  hint: reference or hardware");
  CHECK(refusal("TENON_EMULATOR_CHECKS", "races") ==
        "error: TENON_EMULATOR_CHECKS is 'races', which means nothing\n  hint: uninitialised, shared_races, "
        "global_races or all, separated by commas; -name switches one off");
}

}  // namespace
}  // namespace tenon::emulator
