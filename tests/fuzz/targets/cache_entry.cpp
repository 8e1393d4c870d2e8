// Entries of the kernel cache: as they are, and with digests that fit, so that fuzzing reaches what lies behind them.
#include "runtime/cache/entry.h"
#include "tests/fuzz/targets.h"
#include "tests/fuzz/targets/verdict.h"

namespace tenon::fuzz {

std::string cache_entry(llvm::StringRef bytes, bool* accepted) {
  const std::string problem =
      verdict(false, accepted, [&] { return cache::parse_entry(bytes), std::string(); });
  if (!problem.empty()) return problem;
  return verdict(false, accepted, [&]() -> std::string {
    const cache::Prelude sizes = cache::parse_prelude(bytes, bytes.size());
    const llvm::StringRef sections = bytes.drop_front(cache::kPreludeBytes);
    const std::string whole = cache::sealed(sections.take_front(sizes.head_bytes),
                                            sections.substr(sizes.head_bytes, sizes.code_bytes),
                                            sections.take_back(sizes.ptx_bytes));
    return cache::entry_bytes(cache::parse_entry(whole)) == whole ? "" : "written again it is something else";
  });
}

}  // namespace tenon::fuzz
