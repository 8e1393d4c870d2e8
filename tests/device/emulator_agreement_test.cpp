// The same plans of the examples, reduced, on the card and on the emulator of its architecture.
#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "runtime/cuda/card_at_hand.h"
#include "runtime/emulator/device/emulator_device.h"
#include "tests/runtime/cuda/drawn_model.h"

using namespace tenon;

namespace {

/// The text of an example with these dims replaced.
std::string reduced(const std::string& name, const std::map<std::string, int>& dims) {
  std::ifstream file(std::string(TENON_SOURCE_DIR) + "/examples/models/" + name + ".toml");
  REQUIRE(file);
  std::string text, line;
  while (std::getline(file, line)) {
    const auto dim = dims.find(line.substr(0, line.find_first_of(" =")));
    if (dim != dims.end()) line = dim->first + " = " + std::to_string(dim->second);
    text += line + "\n";
  }
  return text;
}

struct Example {
  std::string name;
  std::map<std::string, int> reduction;
  DimBinding dims;
};

const Example kExamples[] = {
    {"ffn", {}, {{"T", 65}}},
    {"attention_primitives", {}, {{"T", 129}}},
    {"gpt2", {{"L", 2}, {"D", 128}, {"H", 2}, {"F", 256}, {"V", 501}}, {{"T", 33}}},
    {"llama-3.2-1b",
     {{"L", 2}, {"D", 256}, {"H", 4}, {"Hkv", 1}, {"F", 512}, {"V", 1000}, {"C", 128}},
     {{"T", 17}}},
    {"llama-3.2-1b",
     {{"L", 2}, {"D", 256}, {"H", 4}, {"Hkv", 1}, {"F", 512}, {"V", 1000}, {"C", 128}},
     {{"T", 1}}},
};

RunResult run(Device& device, const cuda::DrawnModel& subject, const Plan& plan) {
  return device.prepare(*subject.graph, &plan, device.hold(subject.weights, subject.states))
      ->run(subject.inputs);
}

}  // namespace

TEST_CASE("the emulator gives what the card gives") {
  const auto gpu = cuda::GpuContext::open(0);
  cuda::CudaDevice card(gpu);
  setenv("TENON_EMULATOR_NUMERICS", "hardware", 1);
  const auto emulated = emulator::EmulatorDevice::open(gpu->gpu().arch());
  unsetenv("TENON_EMULATOR_NUMERICS");
  for (const Example& example : kExamples) {
    CAPTURE(example.name);
    const cuda::DrawnModel subject(reduced(example.name, example.reduction), example.dims);
    const auto plan = subject.plan(card_at_hand(gpu->gpu()), false, Policy::kFused);
    const RunResult on_card = run(card, subject, *plan), on_emulator = run(*emulated, subject, *plan);
    CHECK(emulator::findings_text(emulated->machine()) == "");
    REQUIRE(on_card.outputs.size() == on_emulator.outputs.size());
    for (size_t i = 0; i < on_card.outputs.size(); ++i) {
      const Tensor &a = on_card.outputs[i], &b = on_emulator.outputs[i];
      REQUIRE(a.bytes() == b.bytes());
      int64_t equal = 0;
      const int64_t size = size_of(a.dtype());
      for (int64_t e = 0; e < a.elements(); ++e)
        equal += std::memcmp(a.data() + e * size, b.data() + e * size, size) == 0;
      const double distance = cuda::DrawnModel::distance(b, to_host(a));
      MESSAGE(example.name << ": " << equal << " of " << a.elements()
                           << " elements equal in all bits, distance " << distance);
      // What is left are approximations, each off by a few units of f32 its own way, and the roundings that they turn.
      CHECK(distance < 4 * unit_roundoff(a.dtype()) + 1e-5);
    }
  }
}
