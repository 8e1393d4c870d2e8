// error_list.cpp: the errors of a file, each once, in the order of the file.
#include "ir/error_list.h"

#include <algorithm>

namespace tenon {

void ErrorList::add(std::string message, Location location, std::string hint) {
  if (full()) {  // an Error quotes its line, which takes a walk through the file
    ++count_;
    bad_input_ = true;
    return;
  }
  add(Error(std::move(message), std::move(location), std::move(hint)));
}

void ErrorList::add_missing_feature(std::string what, Location location) {
  add(Error(what + " is not there yet", std::move(location), "", Status::kMachineCannot));
}

void ErrorList::add(const Error& error) {
  for (const Diagnostic& diagnostic : error.diagnostics()) {
    if (full()) {
      ++count_;
      bad_input_ |= error.status() == Status::kBadInput;
      continue;
    }
    if (!seen_.insert({{diagnostic.location.line, diagnostic.location.column}, diagnostic.message}).second)
      continue;
    ++count_;
    bad_input_ |= error.status() == Status::kBadInput;
    diagnostics_.push_back(diagnostic);
  }
}

void ErrorList::raise() const {
  if (empty()) return;
  std::vector<Diagnostic> sorted = diagnostics_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::pair(a.location.line, a.location.column) < std::pair(b.location.line, b.location.column);
  });
  if (count_ > sorted.size())
    sorted.push_back({"and " + std::to_string(count_ - sorted.size()) + " more errors", {}, ""});
  throw Error(std::move(sorted), bad_input_ ? Status::kBadInput : Status::kMachineCannot);
}

}  // namespace tenon
