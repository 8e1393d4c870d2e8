// targets.h: what is fuzzed: one function a reader, run by libFuzzer, by the replay of the corpus and by the tests
// that mutate.
#pragma once
#include <string>

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace tenon::fuzz {

/// Gives bytes to one reader. Returns "" where it reads them rightly or refuses them as it should: by an Error with
/// words and a place; else what went wrong. A crash, a hang or a hoard of memory is for the sanitizers and for
/// libFuzzer's limits to see. `accepted`, where given, tells whether the reader took the bytes.
using Run = std::string (*)(llvm::StringRef bytes, bool* accepted);

std::string model(llvm::StringRef bytes,
                  bool* accepted = nullptr);  ///< a model's TOML, built with default dims
std::string expression(llvm::StringRef bytes,
                       bool* accepted = nullptr);                   ///< an equation, and a shape expression
std::string json(llvm::StringRef bytes, bool* accepted = nullptr);  ///< a document, written and read again
std::string safetensors(llvm::StringRef bytes, bool* accepted = nullptr);
std::string safetensors_index(llvm::StringRef bytes,
                              bool* accepted = nullptr);  ///< beside a shard m.safetensors
std::string npy(llvm::StringRef bytes, bool* accepted = nullptr);
std::string ptx(llvm::StringRef bytes, bool* accepted = nullptr);
std::string cache_entry(llvm::StringRef bytes,
                        bool* accepted = nullptr);  ///< of the kernel cache, its digests made to fit

std::string tokenizer(llvm::StringRef bytes,
                      bool* accepted = nullptr);  ///< a tokenizer.json, which then takes and gives texts

/// A function and its name, which is that of its folder in corpus/ and of its file in dictionaries/.
struct Target {
  const char* name;
  Run run;
};
llvm::ArrayRef<Target> targets();

}  // namespace tenon::fuzz
