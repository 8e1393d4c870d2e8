// The golden kernels of tests/golden, and every config of attention, through NVRTC: each compiles for every target and spills nothing.
// Skipped aloud where NVRTC is absent.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "codegen/families/attention.h"
#include "ir/builder.h"
#include "runtime/cache/compiler.h"

using namespace tenon;
using namespace tenon::cuda;

namespace {

const std::vector<const char*> kArchitectures = {"sm_80", "sm_89", "sm_90a", "sm_100a", "sm_120"};

void check_compiled(const std::vector<CompileRequest>& requests) {
  const LibrarySearch search = find_nvrtc();
  if (!search.library) {
    MESSAGE("skipped: " << search.summary());
    return;
  }
  const auto compiled = cache::kernel_compiler()(requests);
  for (size_t i = 0; i < compiled.size(); ++i) {
    const KernelResources& used = compiled[i].resources;
    CHECK_MESSAGE(used.spill_bytes + used.stack_bytes == 0, requests[i].name, " for ", requests[i].arch,
                  " spills ", used.spill_bytes, " bytes: ", used.registers, " registers");
  }
}

/// An attention of 4 query heads to a key head over dynamic extents; mask: none, "bool", or "additive".
Region attention(DType dtype, int head_dim, const std::string& mask) {
  Graph graph;
  Builder builder(graph);
  const Dim batch(2, "B"), queries(64, "T"), keys(96, "S");
  llvm::SmallVector<Value*, 5> operands;
  auto input = [&](const char* name, DType type, Shape shape) {
    operands.push_back(builder.source(Op::kInput, name, {type, std::move(shape)}));
  };
  input("q", dtype, {batch, 8, queries, head_dim});
  input("k", dtype, {batch, 2, keys, head_dim});
  input("v", dtype, {batch, 2, keys, head_dim});
  if (!mask.empty()) input("mask", mask == "bool" ? DType::kBool : dtype, {batch, 1, queries, keys});
  input("position", DType::kI32, {});
  Value* a = builder.make(Op::kAttention, operands,
                          {{"causal", true},
                           {"offset", true},
                           {"mask", !mask.empty()},
                           {"scale", 1 / std::sqrt(double(head_dim))}});
  graph.add_output("a", a);
  return make_region(Pattern::kAttention, {a->node()}, "test");
}

}  // namespace

// Without TENON_LONG_CHECKS in the environment for one target of each of NVRTC's two code generators.
TEST_CASE("golden kernels compile for every target and spill nothing") {
  std::vector<CompileRequest> requests;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(TENON_SOURCE_DIR "/tests/golden"))
    if (entry.path().extension() == ".cu") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  CHECK(!files.empty());
  for (const auto& path : files) {
    std::ifstream file(path);
    const std::string source{std::istreambuf_iterator<char>(file), {}};
    for (const char* arch : kArchitectures)
      if (std::getenv("TENON_LONG_CHECKS") || std::string(arch) == "sm_80" || std::string(arch) == "sm_120")
        requests.push_back({path.filename(), source, arch, true});
  }
  check_compiled(requests);
}

// All of them with TENON_LONG_CHECKS in the environment, else a sample.
TEST_CASE("every config of attention compiles and spills nothing, the targets taking turns") {
  Target target;
  target.card = find_target("h200");
  std::vector<CompileRequest> requests;
  auto request = [&](const Region& region, const std::string& what) {
    REQUIRE(attention_family().refuses(region, target) == "");
    for (const Candidate& candidate : attention_family().candidates(region, target, {})) {
      const EmittedKernel kernel = attention_family().emit(region, candidate, target, "attention");
      const char* arch = kArchitectures[requests.size() % kArchitectures.size()];
      requests.push_back({what + " " + candidate.config, kernel.source, arch, true});
    }
  };
  for (int head_dim : {32, 64, 80, 96, 128, 256})
    for (const char* mask : {"", "bool", "additive"})
      for (DType dtype : {DType::kBF16, DType::kF32})
        request(attention(dtype, head_dim, mask),
                std::to_string(head_dim) + " " + name_of(dtype).str() + " " + mask);
  CHECK(requests.size() > 150);
  if (!std::getenv("TENON_LONG_CHECKS")) {
    std::vector<CompileRequest> sample;
    for (size_t i = 0; i < requests.size(); i += 6) sample.push_back(requests[i]);
    requests = sample;
  }
  check_compiled(requests);
}
