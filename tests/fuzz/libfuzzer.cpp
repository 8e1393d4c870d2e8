// libFuzzer's entry for one target: TENON_FUZZ_TARGET names it.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string problem =
      tenon::fuzz::TENON_FUZZ_TARGET(llvm::StringRef(reinterpret_cast<const char*>(data), size), nullptr);
  if (problem.empty()) return 0;
  std::fprintf(stderr, "fuzz: %s\n", problem.c_str());
  std::abort();
}
