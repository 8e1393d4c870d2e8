// differences.h: why a kernel is not in the cache: the nearest entry, and what differs from it.
#pragma once
#include <string>
#include <vector>

#include "runtime/cache/store.h"

namespace tenon::cache {

/// One part of the key that differs, in words: "option -arch=sm_80 instead of -arch=sm_90a".
struct Difference {
  enum Part { kKernel, kCompiler, kOptions, kHeaders, kSource } part;
  std::string text;
};
/// What `wanted` has otherwise than `there`.
std::vector<Difference> differences(const KeyParts& wanted, const KeyParts& there);

/// The entry of the same kernel name that differs in the fewest parts, the last used of several; null where there is none.
/// Entries with a problem are passed over.
const StoredEntry* nearest_entry(const KeyParts& wanted, llvm::ArrayRef<StoredEntry> entries);

}  // namespace tenon::cache
