// What an H200 made of the micro-kernels of tests/golden/gpu, beside what the emulator makes of them.
#include <cstdlib>

#include <doctest/doctest.h>
#include "runtime/cuda/handles.h"
#include "runtime/emulator/device/emulated_driver.h"
#include "tests/golden_corpus/corpus.h"

using namespace tenon;

namespace {

const std::string kFolder = std::string(TENON_SOURCE_DIR) + "/tests/golden/gpu";

/// Runs a group on an emulated card and compares it with what the real one gave. Returns how many outputs were compared.
size_t replay(const std::string& name, emulator::Options options) {
  const corpus::Group group = corpus::read_group(kFolder, name);
  const corpus::Outputs card = corpus::read_outputs(kFolder, group);
  if (card.empty()) {
    MESSAGE("SKIPPED: nothing was recorded for " << name);
    return 0;
  }
  emulator::EmulatedMachine machine(emulator::find_architecture("sm_90a"), options);
  const cuda::DriverApi api = emulator::emulated_driver_api();
  const cuda::PrimaryContext context(api, machine.ordinal());
  const cuda::ContextScope scope(context);
  cuda::Module module = nullptr;
  api.check(api.cuModuleLoadData(&module, group.ptx.c_str()), "cuModuleLoadData", name);
  size_t compared = 0;
  for (const corpus::Case& c : group.cases) {
    CAPTURE(name + " " + c.name);
    machine.forget_records();
    corpus::Outputs outputs;
    try {
      outputs = corpus::run_case(api, module, group, c);
    } catch (const std::exception& error) {
      FAIL_CHECK(error.what());
      continue;
    }
    for (const emulator::LaunchRecord& record : machine.records())
      for (const emulator::Finding& finding : record.result.findings) FAIL_CHECK(finding.text());
    const bool bits = options.numerics == emulator::Numerics::kHardware && c.compare == "sum";
    for (const auto& [output, bytes] : outputs) {
      auto recorded = card.find(output);
      REQUIRE(recorded != card.end());
      CHECK(corpus::difference(bits ? "nan" : c.compare, bytes, recorded->second) == "");
      ++compared;
    }
  }
  api.cuModuleUnload(module);
  return compared;
}

}  // namespace

TEST_CASE("emulator golden corpus: the emulator gives what the card gave") {
  size_t compared = 0;
  for (const std::string& name : corpus::group_names()) compared += replay(name, {});
  MESSAGE(compared << " outputs of the card compared");
  CHECK(compared >= 300);
}

TEST_CASE("emulator golden corpus: hardware numerics give the card's bits in tensor cores" *
          doctest::may_fail()) {
  emulator::Options options;
  options.numerics = emulator::Numerics::kHardware;
  for (const char* name : {"mma", "wgmma", "approximate"}) replay(name, options);
}
