// digest.cpp: LLVM's SHA-256.
#include "runtime/cache/digest.h"

#include <cstring>

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"

namespace tenon::cache {

Digest digest_of(llvm::StringRef bytes) {
  return llvm::SHA256::hash({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

std::string hex(const Digest& digest) {
  return llvm::toHex({reinterpret_cast<const char*>(digest.data()), digest.size()}, true);
}

std::optional<Digest> from_hex(llvm::StringRef digits) {
  Digest digest;
  std::string raw;
  if (digits.size() != 2 * digest.size() || !llvm::tryGetFromHex(digits, raw)) return std::nullopt;
  std::memcpy(digest.data(), raw.data(), digest.size());
  return digest;
}

}  // namespace tenon::cache
