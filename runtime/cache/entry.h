// entry.h: a kernel cache's entry as bytes: written, and read back with every length and digest checked.
#pragma once
#include <string>

#include "runtime/cache/key.h"

namespace tenon::cache {

struct Entry {
  KeyParts key;
  double milliseconds = 0;  ///< that the compiler took
  std::string refusal;      ///< the error of a source that the compiler refuses, then no code; "" otherwise
  std::string cubin, log;
  std::string ptx;
};

/// Of a file's beginning: how long its sections are and what they hash to.
struct Prelude {
  uint64_t head_bytes = 0, code_bytes = 0, ptx_bytes = 0;
  Digest head, code, ptx;
};
constexpr size_t kPreludeBytes = 8 + 3 * 8 + 3 * 32;

std::string entry_bytes(const Entry& entry);
/// The bytes of an entry with these sections, whatever is in them.
std::string sealed(llvm::StringRef head, llvm::StringRef code, llvm::StringRef ptx);

/// Every reader throws Error that says what is wrong: another format, sizes that do not add up to `file_bytes`, a digest
/// that does not fit, lengths that leave the section. None allocates more than a small multiple of what it is given.
Prelude parse_prelude(llvm::StringRef bytes, uint64_t file_bytes);
/// Fills key, milliseconds and refusal from the section of that name.
void parse_head(const Prelude& prelude, llvm::StringRef section, Entry& entry);
/// Fills cubin and log.
void parse_code(const Prelude& prelude, llvm::StringRef section, Entry& entry);
void parse_ptx(const Prelude& prelude, llvm::StringRef section, Entry& entry);
/// All of it, from a file's bytes whatever they are.
Entry parse_entry(llvm::StringRef bytes);

}  // namespace tenon::cache
