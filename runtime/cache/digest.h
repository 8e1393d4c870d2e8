// digest.h: SHA-256, and its digits.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "llvm/ADT/StringRef.h"

namespace tenon::cache {

using Digest = std::array<uint8_t, 32>;

Digest digest_of(llvm::StringRef bytes);
std::string hex(const Digest& digest);  ///< 64 digits
/// The digest that these 64 digits are; nothing for any other text.
std::optional<Digest> from_hex(llvm::StringRef digits);

}  // namespace tenon::cache
