// options.cpp: options from the environment: TENON_EMULATOR_*.
#include <cstdlib>
#include <string>

#include "ir/diagnostics.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "runtime/emulator/machine/launch.h"

namespace tenon::emulator {
namespace {

[[noreturn]] void refuse(llvm::StringRef name, llvm::StringRef value, const std::string& hint) {
  throw Error(name.str() + " is '" + value.str() + "', which means nothing", {}, hint);
}

llvm::StringRef environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

template <class Number>
void read_number(const char* name, Number& number) {
  const llvm::StringRef value = environment(name);
  if (value.empty()) return;
  if (value.getAsInteger(0, number) || (number == 0 && std::is_signed_v<Number>) || number < Number(0))
    refuse(name, value, std::is_signed_v<Number> ? "a whole number, 1 or more" : "a whole number");
}

void read_switch(const char* name, bool& on) {
  const llvm::StringRef value = environment(name);
  if (value.empty()) return;
  if (value != "0" && value != "1") refuse(name, value, "0 or 1");
  on = value == "1";
}

}  // namespace

void set_checks(Options& options, llvm::StringRef list, llvm::StringRef source) {
  const struct {
    llvm::StringRef name;
    bool& on;
  } checks[] = {{"uninitialised", options.uninitialised},
                {"shared_races", options.shared_races},
                {"global_races", options.global_races}};
  llvm::SmallVector<llvm::StringRef, 4> words;
  list.split(words, ',', -1, false);
  for (llvm::StringRef word : words) {
    llvm::StringRef check = word.trim();
    const bool on = !check.consume_front("-");
    bool known = check == "all";
    for (const auto& entry : checks)
      if (check == "all" || check == entry.name) {
        entry.on = on;
        known = true;
      }
    if (!known)
      refuse(source, list,
             "uninitialised, shared_races, global_races or all, separated by commas; -name switches one off");
  }
}

Options options_from_environment() {
  Options options;
  read_number("TENON_EMULATOR_SEED", options.seed);
  read_number("TENON_EMULATOR_BUDGET", options.instruction_budget);
  read_number("TENON_EMULATOR_THREADS", options.host_threads);
  read_switch("TENON_EMULATOR_ONE_LANE", options.one_lane);
  read_switch("TENON_EMULATOR_LAZY_COPIES", options.lazy_copies);
  set_checks(options, environment("TENON_EMULATOR_CHECKS"), "TENON_EMULATOR_CHECKS");
  const llvm::StringRef numerics = environment("TENON_EMULATOR_NUMERICS");
  if (numerics == "hardware")
    options.numerics = Numerics::kHardware;
  else if (!numerics.empty() && numerics != "reference")
    refuse("TENON_EMULATOR_NUMERICS", numerics, "reference or hardware");
  return options;
}

}  // namespace tenon::emulator
