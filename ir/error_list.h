// error_list.h: collects the errors of a file, to report them together.
#pragma once
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ir/diagnostics.h"

namespace tenon {

/// Keeps each message of a place once (a block's body is walked for every repetition), in the order of the
/// file, and no more than kMaxReported of them.
class ErrorList {
 public:
  static constexpr size_t kMaxReported = 100;

  void add(std::string message, Location location, std::string hint = {});
  /// Valid in the language, but not in this version of the program: exit status 3 where nothing else is
  /// wrong.
  void add_missing_feature(std::string what, Location location);
  void add(const Error& error);

  bool empty() const { return count_ == 0; }
  bool full() const { return diagnostics_.size() >= kMaxReported; }
  size_t count() const { return count_; }
  /// Throws Error with all of them; returns when there are none.
  void raise() const;

 private:
  std::set<std::pair<std::pair<int, int>, std::string>> seen_;
  std::vector<Diagnostic> diagnostics_;
  size_t count_ = 0;
  bool bad_input_ = false;
};

}  // namespace tenon
