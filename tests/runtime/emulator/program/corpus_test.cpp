// Every instruction that the corpus holds decodes: the micro-kernels that a card has run, what the compiler makes of
// tests/data/ptx, and, where NVRTC is there, the golden kernels in both of its dialects.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "runtime/cache/compiler.h"
#include "runtime/emulator/program/program.h"
#include "runtime/emulator/ptx/parser.h"

namespace tenon::emulator {
namespace {

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::filesystem::path> files(const std::string& folder, const std::string& extension) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(TENON_SOURCE_DIR "/tests/" + folder))
    if (entry.path().extension() == extension) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  REQUIRE_FALSE(found.empty());
  return found;
}

/// Decodes all kernels of a text; returns how many there were.
int decode_all(const std::string& text, const std::string& name) {
  auto module = std::make_shared<ptx::Module>(ptx::parse(text, name));
  const VariableAddresses addresses(module->variables.size(), 0x1000);
  int kernels = 0;
  for (const ptx::Function& function : module->functions) {
    if (!function.entry) continue;
    CAPTURE(function.name);
    CHECK_NOTHROW(decode(module, function.name, addresses));
    ++kernels;
  }
  return kernels;
}

TEST_CASE("emulator: decode: the micro-kernels that a card has run") {
  int kernels = 0;
  for (const auto& path : files("golden/gpu", ".ptx")) kernels += decode_all(contents(path), path.filename());
  CHECK(kernels >= 790);
}

/// Kernels of a text with writes that a wgmma may miss, and all of them.
std::pair<int, int> unfenced(const std::string& text) {
  auto module = std::make_shared<ptx::Module>(ptx::parse(text, "wgmma.ptx"));
  const VariableAddresses addresses(module->variables.size(), 0x1000);
  std::pair<int, int> count;
  for (const ptx::Function& function : module->functions) {
    const auto program = decode(module, function.name, addresses);
    count.first += !program->unfenced_writes.empty();
    ++count.second;
    for (const UnfencedWrite& found : program->unfenced_writes) {
      CHECK(program->text(program->ops[found.wgmma]).contains("wgmma.mma_async"));
      CHECK(program->unfenced_write(program->ops[found.wgmma]) == &found);
      CHECK_FALSE(program->text(program->ops[found.write]).contains("wgmma"));
    }
  }
  return count;
}

TEST_CASE("emulator: decode: wgmmas that a card has run are fenced; without their fences they are not") {
  std::string text = contents(TENON_SOURCE_DIR "/tests/golden/gpu/wgmma.ptx");
  const auto [none, kernels] = unfenced(text);
  CHECK(none == 0);
  CHECK(kernels > 40);
  const std::string fence = "wgmma.fence.sync.aligned;";
  for (size_t at; (at = text.find(fence)) != std::string::npos;) text.erase(at, fence.size());
  CHECK(unfenced(text).first == kernels);
}

TEST_CASE("emulator: decode: compiled fixtures") {
  for (const auto& path : files("data/ptx", ".ptx")) CHECK(decode_all(contents(path), path.filename()) == 1);
}

TEST_CASE("emulator: decode: the golden kernels as NVRTC compiles them") {
  const cuda::LibrarySearch search = cuda::find_nvrtc();
  if (!search.library) {
    MESSAGE("skipped: " << search.summary());
    return;
  }
  std::vector<cuda::CompileRequest> requests;
  for (const auto& path : files("golden", ".cu"))
    for (const char* arch : {"sm_80", "sm_90a", "sm_120"})
      requests.push_back({path.filename(), contents(path), arch, false});
  const auto compiled = cache::kernel_compiler()(requests);
  for (size_t i = 0; i < compiled.size(); ++i)
    CHECK(decode_all(compiled[i].ptx, requests[i].name + " for " + requests[i].arch) >= 1);
}

}  // namespace
}  // namespace tenon::emulator
