// emulated_machine.h: one emulated device: an architecture, its memory, and a record of what was launched on it.
#pragma once
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/emulator/device/architecture.h"
#include "runtime/emulator/machine/launch.h"

namespace tenon::emulator {

/// One launch as it went.
struct LaunchRecord {
  std::string kernel;
  LaunchResult result;
};

/// Thread-compatible, but for mutex(), which the emulated driver holds while it works on the machine.
class EmulatedMachine {
 public:
  EmulatedMachine(const Architecture& architecture, const Options& options);
  ~EmulatedMachine();
  EmulatedMachine(const EmulatedMachine&) = delete;
  EmulatedMachine& operator=(const EmulatedMachine&) = delete;

  const Architecture& architecture() const { return architecture_; }
  const Options& options() const { return options_; }
  GlobalMemory& memory() { return memory_; }
  std::mutex& mutex() { return mutex_; }
  /// The number under which the emulated driver knows this device, while it lives.
  int ordinal() const { return ordinal_; }
  /// The living machine of that number; null where there is none.
  static EmulatedMachine* find(int ordinal);
  /// One more than the largest number in use.
  static int count();

  /// Runs a kernel and records it. A launch after one that was stopped (a trap, a deadlock) is left out: its data are
  /// those of a failed run. Throws Error as run() does.
  void launch(const LaunchRequest& request);
  /// What was launched since forget_records(), in order.
  const std::vector<LaunchRecord>& records() const { return records_; }
  void forget_records() { records_.clear(); }
  bool has_findings() const;

  /// The model's equations that a kernel computes, for its findings.
  void set_equation(const std::string& kernel, std::string equation);

 private:
  const Architecture& architecture_;
  Options options_;
  GlobalMemory memory_;
  std::mutex mutex_;
  std::vector<LaunchRecord> records_;
  std::map<std::string, std::string> equations_;
  int ordinal_;
};

}  // namespace tenon::emulator
