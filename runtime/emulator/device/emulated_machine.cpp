// emulated_machine.cpp: launches and their records; the numbers of living machines.
#include "runtime/emulator/device/emulated_machine.h"

#include <algorithm>

namespace tenon::emulator {
namespace {

struct Registry {
  std::mutex mutex;
  std::vector<EmulatedMachine*> machines;  // by ordinal; null: free
};
Registry& registry() {
  static Registry living;
  return living;
}

}  // namespace

EmulatedMachine::EmulatedMachine(const Architecture& architecture, const Options& options)
    : architecture_(architecture), options_(options) {
  Registry& living = registry();
  const std::lock_guard lock(living.mutex);
  auto free = std::find(living.machines.begin(), living.machines.end(), nullptr);
  ordinal_ = static_cast<int>(free - living.machines.begin());
  if (free == living.machines.end())
    living.machines.push_back(this);
  else
    *free = this;
}

EmulatedMachine::~EmulatedMachine() {
  Registry& living = registry();
  const std::lock_guard lock(living.mutex);
  living.machines[ordinal_] = nullptr;
}

EmulatedMachine* EmulatedMachine::find(int ordinal) {
  Registry& living = registry();
  const std::lock_guard lock(living.mutex);
  return ordinal >= 0 && ordinal < static_cast<int>(living.machines.size()) ? living.machines[ordinal]
                                                                            : nullptr;
}

int EmulatedMachine::count() {
  Registry& living = registry();
  const std::lock_guard lock(living.mutex);
  return static_cast<int>(living.machines.size());
}

void EmulatedMachine::launch(const LaunchRequest& request) {
  if (!records_.empty() && !records_.back().result.completed) return;
  LaunchRecord record{request.program->name, run(request, memory_, options_)};
  const auto equation = equations_.find(record.kernel);
  if (equation != equations_.end())
    for (Finding& finding : record.result.findings) finding.equation = equation->second;
  records_.push_back(std::move(record));
}

bool EmulatedMachine::has_findings() const {
  return std::any_of(records_.begin(), records_.end(),
                     [](const LaunchRecord& record) { return !record.result.findings.empty(); });
}

void EmulatedMachine::set_equation(const std::string& kernel, std::string equation) {
  equations_[kernel] = std::move(equation);
}

}  // namespace tenon::emulator
