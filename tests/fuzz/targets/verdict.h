// verdict.h: what every target asks of a reader.
#pragma once
#include <string>

#include "ir/diagnostics.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace tenon::fuzz {

/// Runs `read`, which returns "" or what is wrong with what it read. An Error thrown by it must say something in words
/// that are not as long as its input; with `located`, it must say where too.
inline std::string verdict(bool located, bool* accepted, llvm::function_ref<std::string()> read) {
  constexpr size_t kMaxWords = 64 << 10;
  if (accepted) *accepted = false;
  try {
    std::string problem = read();
    if (accepted) *accepted = problem.empty();
    return problem;
  } catch (const Error& error) {
    if (error.diagnostics().empty()) return "an error without a message";
    for (const Diagnostic& diagnostic : error.diagnostics()) {
      const bool counts_others = llvm::StringRef(diagnostic.message).endswith("more errors");
      if (diagnostic.message.empty()) return "an error without words";
      if (diagnostic.text().size() > kMaxWords) return "an error of too many words";
      if (located && !diagnostic.location.known() && !counts_others) return "no place: " + diagnostic.message;
    }
    return "";
  }
}

}  // namespace tenon::fuzz
