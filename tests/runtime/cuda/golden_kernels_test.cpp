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

/// What an attention has beside products and softmax.
struct Features {
  const char* name;
  const char* mask = "";  ///< or "bool", "additive"
  bool window = false, softcap = false, alibi = false, sinks = false;
};

const Features kFeatures[] = {
    {.name = "plain"},
    {.name = "boolean mask", .mask = "bool"},
    {.name = "additive mask", .mask = "additive"},
    {.name = "window, softcap and sinks", .window = true, .softcap = true, .sinks = true},
    {.name = "everything", .mask = "additive", .window = true, .softcap = true, .alibi = true, .sinks = true},
};

/// A causal attention of 4 query heads to a key head over dynamic extents.
Region attention(DType dtype, int head_dim, int head_dim_v, const Features& features) {
  Graph graph;
  Builder builder(graph);
  const Dim batch(2, "B"), queries(64, "T"), keys(96, "S");
  const std::string mask = features.mask;
  llvm::SmallVector<Value*, 7> operands;
  auto input = [&](const char* name, DType type, Shape shape) {
    operands.push_back(builder.source(Op::kInput, name, {type, std::move(shape)}));
  };
  input("q", dtype, {batch, 8, queries, head_dim});
  input("k", dtype, {batch, 2, keys, head_dim});
  input("v", dtype, {batch, 2, keys, head_dim_v});
  if (!mask.empty()) input("mask", mask == "bool" ? DType::kBool : dtype, {batch, 1, queries, keys});
  input("position", DType::kI32, {});
  if (features.alibi) input("alibi", DType::kF32, {8});
  if (features.sinks) input("sinks", dtype, {8});
  Attributes attributes = {{"causal", true},          {"offset", true},
                           {"mask", !mask.empty()},   {"alibi", features.alibi},
                           {"sinks", features.sinks}, {"scale", 1 / std::sqrt(double(head_dim))}};
  if (features.window) attributes.set("window", Dim(128));
  if (features.softcap) attributes.set("softcap", 50.0);
  Value* a = builder.make(Op::kAttention, operands, std::move(attributes));
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
    for (const Candidate& candidate : attention_family().candidates(region, target)) {
      const EmittedKernel kernel = attention_family().emit(region, candidate, target, "attention");
      const char* arch = kArchitectures[requests.size() % kArchitectures.size()];
      requests.push_back({what + " " + candidate.config, kernel.source, arch, true});
    }
  };
  // The widest of each row of the table, and rows that no 16 bytes divide.
  for (auto [d, dv] : {std::pair(8, 8), std::pair(32, 32), std::pair(61, 59), std::pair(64, 64),
                       std::pair(80, 80), std::pair(96, 96), std::pair(128, 128), std::pair(192, 192),
                       std::pair(192, 128), std::pair(253, 251), std::pair(256, 256), std::pair(512, 512)})
    for (const Features& features : kFeatures)
      for (DType dtype : {DType::kBF16, DType::kF32})
        request(attention(dtype, d, dv, features), std::to_string(d) + " " + std::to_string(dv) + " " +
                                                       name_of(dtype).str() + " " + features.name);
  CHECK(requests.size() > 500);
  if (!std::getenv("TENON_LONG_CHECKS")) {
    std::vector<CompileRequest> sample;
    for (size_t i = 0; i < requests.size(); i += 23) sample.push_back(requests[i]);
    requests = sample;
  }
  check_compiled(requests);
}
