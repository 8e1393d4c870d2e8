// diagnostics.h: what the user is told when something that they can cause goes wrong.
#pragma once
#include <exception>
#include <string>
#include <vector>

#include "ir/location.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace tenon {

/// One message: what is wrong, where, and what would help.
struct Diagnostic {
  std::string message;
  Location location;
  std::string hint;

  /// "m.toml:31:7: error: unknown name 'gelo'", then the line with a caret below it, then "hint: ...".
  std::string text() const;
};

/// The exit statuses of the command line.
enum class Status { kDone = 0, kCheckFailed = 1, kBadInput = 2, kMachineCannot = 3 };

/// Everything that a user can cause. Carries one or more diagnostics; what() is their text.
class Error : public std::exception {
 public:
  explicit Error(std::string message, Location location = {}, std::string hint = {},
                 Status status = Status::kBadInput);
  explicit Error(std::vector<Diagnostic> diagnostics, Status status = Status::kBadInput);

  const char* what() const noexcept override { return text_.c_str(); }
  llvm::ArrayRef<Diagnostic> diagnostics() const { return diagnostics_; }
  Status status() const { return status_; }

 private:
  std::vector<Diagnostic> diagnostics_;
  Status status_;
  std::string text_;
};

/// The candidate nearest to `name` by edit distance, or "" when none is near; for "did you mean".
std::string nearest(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> candidates);

}  // namespace tenon
