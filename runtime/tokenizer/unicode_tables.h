// unicode_tables.h: what Unicode says of its characters, as make_unicode_tables.py wrote it down.
#pragma once
#include <cstdint>

#include "llvm/ADT/ArrayRef.h"

namespace tenon::tokenizer {

extern const char kUnicodeVersion[];

/// Runs of characters with one value each, in ascending order: value << 24 | first character of the run.
extern const llvm::ArrayRef<uint32_t> kCategoryStarts;   ///< the value is a Category
extern const llvm::ArrayRef<uint32_t> kCombiningStarts;  ///< the value is the canonical combining class

/// One step of canonical decomposition; `second` is 0 where the character becomes one other.
struct Decomposition {
  char32_t code, first, second;
  bool composes;  ///< NFC makes `code` of the two again
};
extern const llvm::ArrayRef<Decomposition> kDecompositions;  ///< ascending by code; without Hangul syllables

}  // namespace tenon::tokenizer
