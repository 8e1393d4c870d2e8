// trial.cpp: runs of kernels and mutants, and the comparison.
#include "tests/mutation/trial.h"

#include <algorithm>
#include <cstring>

#include "ir/diagnostics.h"
#include "runtime/emulator/machine/tensor_map.h"
#include "runtime/emulator/ptx/parser.h"

namespace tenon::mutation {
namespace {

using emulator::FindingKind;
using emulator::Options;

std::vector<Options> settings() {
  Options plain;
  plain.global_races = true;
  plain.host_threads = 1;
  plain.print = [](llvm::StringRef) {};
  Options shuffled = plain, late = plain, lanes = plain;
  shuffled.seed = 11;
  late.seed = 12;
  late.lazy_copies = true;
  lanes.one_lane = true;
  lanes.seed = 13;
  return {plain, shuffled, late, lanes};
}

Sign sign_of(FindingKind kind) {
  switch (kind) {
    case FindingKind::kSharedRace:
    case FindingKind::kGlobalRace: return Sign::kRace;
    case FindingKind::kProxyFence: return Sign::kProxyFence;
    case FindingKind::kRegisterHazard: return Sign::kRegisters;
    case FindingKind::kBarrier:
    case FindingKind::kMbarrier:
    case FindingKind::kDivergentCollective:
    case FindingKind::kLeak: return Sign::kProtocol;
    case FindingKind::kDeadlock:
    case FindingKind::kBudget: return Sign::kHang;
    default: return Sign::kOther;
  }
}

}  // namespace

const char* name(Sign sign) {
  constexpr const char* kNames[kSigns] = {"race",  "proxy", "registers", "protocol",
                                          "other", "hang",  "values",    "none"};
  return kNames[static_cast<int>(sign)];
}

std::string Outcome::text() const {
  std::string all;
  for (const emulator::Finding& finding : findings) all += finding.text();
  return all;
}

Bench::Bench(const Case& kernel, const std::string& ptx)
    : case_(kernel), module_(memory_, ptx, kernel.name + ".ptx") {
  request_.program = module_.program(kernel.entry);
  std::copy_n(kernel.grid, 3, request_.grid);
  std::copy_n(kernel.block, 3, request_.block);
  std::copy_n(kernel.cluster, 3, request_.cluster);
  request_.dynamic_shared_bytes = kernel.shared_bytes;
  request_.cooperative = kernel.cooperative;
}

std::vector<std::byte> Bench::parameters(const std::vector<uint64_t>& addresses) const {
  const emulator::Program& program = *request_.program;
  if (program.parameters.size() != case_.arguments.size())
    throw Error(case_.name + ": a launch with the wrong arguments");
  std::vector<std::byte> bytes(static_cast<size_t>(program.parameter_bytes));
  for (size_t i = 0; i < case_.arguments.size(); ++i) {
    const Argument& argument = case_.arguments[i];
    std::byte* at = bytes.data() + program.parameters[i].offset;
    const uint64_t address = argument.buffer < 0 ? 0 : addresses[static_cast<size_t>(argument.buffer)];
    if (argument.kind == Argument::kTensor) {
      TensorTiling tensor = argument.tensor;
      tensor.base = address;
      if (const std::string fault = fault_in(tensor); !fault.empty()) throw Error(fault);
      emulator::encode_tensor_map(tensor, at);
    } else {
      const int64_t value =
          argument.kind == Argument::kPointer ? static_cast<int64_t>(address) : argument.value;
      std::memcpy(at, &value, static_cast<size_t>(program.parameters[i].bytes));
    }
  }
  return bytes;
}

Outcome Bench::run(const Options& options) {
  std::vector<uint64_t> addresses;
  for (const Buffer& buffer : case_.buffers) {
    addresses.push_back(memory_.allocate(std::max<int64_t>(buffer.bytes, 1), buffer.name));
    if (!buffer.contents.empty()) memory_.write(addresses.back(), buffer.contents);
  }
  request_.parameters = parameters(addresses);
  emulator::LaunchResult result = emulator::run(request_, memory_, options);
  Outcome outcome{std::move(result.findings), {}, result.meter.totals().warp_instructions};
  for (size_t i = 0; i < addresses.size(); ++i) {
    outcome.buffers.emplace_back(static_cast<size_t>(case_.buffers[i].bytes));
    memory_.read(addresses[i], outcome.buffers.back());
    memory_.release(addresses[i]);
  }
  return outcome;
}

Trial::Trial(const Case& kernel, std::string ptx) : case_(kernel), ptx_(std::move(ptx)) {
  Bench bench(case_, ptx_);
  for (const Options& options : settings()) {
    expected_.push_back(bench.run(options));
    if (!expected_.back().findings.empty())
      throw Error(case_.name + " for " + case_.target + " has findings before anything was changed\n" +
                  expected_.back().text());
    if (expected_.back().buffers != expected_.front().buffers)
      throw Error(case_.name + " for " + case_.target + " gives other values in another order of its warps");
  }
}

std::vector<Mutant> Trial::mutants() const {
  return mutation::mutants(ptx::parse(ptx_, case_.name + ".ptx"), case_.entry);
}

Verdict Trial::judge(const Mutant& mutant) const {
  Bench bench(case_, mutant.ptx);
  size_t index = 0;
  for (Options options : settings()) {
    const Outcome& expected = expected_[index++];
    options.instruction_budget = 3 * expected.instructions + 20'000;
    const Outcome outcome = bench.run(options);
    Sign sign = Sign::kNone;
    bool hangs = false;
    for (const emulator::Finding& finding : outcome.findings) {
      sign = std::min(sign, sign_of(finding.kind));
      hangs |= sign_of(finding.kind) == Sign::kHang;
    }
    const bool right = outcome.buffers == expected.buffers;
    if (!right) sign = std::min(sign, Sign::kValues);
    if (sign != Sign::kNone) return {sign, right && !hangs, outcome.text()};
  }
  return {};
}

}  // namespace tenon::mutation
