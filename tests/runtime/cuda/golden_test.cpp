// Every golden kernel compiles for every target without a spill. Skipped aloud where NVRTC is absent.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "codegen/embedded.h"
#include "runtime/cuda/nvrtc.h"

using namespace tenon;
using namespace tenon::cuda;

TEST_CASE("golden kernels compile for every architecture, nothing spills") {
  const LibrarySearch search = find_nvrtc();
  if (!search.library) {
    MESSAGE("skipped: " << search.summary());
    return;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(TENON_SOURCE_DIR) + "/tests/golden"))
    if (entry.path().extension() == ".cu") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  REQUIRE(files.size() > 5);
  std::vector<CompileRequest> requests;
  for (const std::filesystem::path& path : files) {
    std::ifstream file(path, std::ios::binary);
    const std::string source{std::istreambuf_iterator<char>(file), {}};
    for (const char* arch : {"sm_80", "sm_89", "sm_90a", "sm_100a", "sm_120"})
      requests.push_back({path.filename().string(), source, arch, true});
  }
  const std::vector<CompiledKernel> kernels = Nvrtc(search).compile_all(requests, embedded_templates());
  for (size_t i = 0; i < kernels.size(); ++i) {
    INFO(requests[i].name, " for ", requests[i].arch);
    CHECK(!kernels[i].cubin.empty());
    CHECK(kernels[i].resources.spill_bytes == 0);
  }
}
