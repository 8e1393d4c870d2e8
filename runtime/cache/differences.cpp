// differences.cpp: compares keys part by part.
#include "runtime/cache/differences.h"

#include <algorithm>

#include "llvm/ADT/STLExtras.h"

namespace tenon::cache {
namespace {

std::string quoted(llvm::StringRef line) {
  constexpr size_t kMostShown = 100;
  line = line.trim();
  return "'" + line.take_front(kMostShown).str() + (line.size() > kMostShown ? "...'" : "'");
}

/// "here -a, -b, not -c": what each of two lists has alone; "" where they are equal.
std::string list_difference(const std::vector<std::string>& wanted, const std::vector<std::string>& there) {
  const auto only = [](const std::vector<std::string>& in, const std::vector<std::string>& out) {
    std::string text;
    for (const std::string& one : in)
      if (!llvm::is_contained(out, one)) text += (text.empty() ? "" : ", ") + one;
    return text;
  };
  const std::string here = only(wanted, there), instead = only(there, wanted);
  if (here.empty() && instead.empty()) return wanted == there ? "" : "the same in another order";
  if (instead.empty()) return here + " added";
  return here.empty() ? "without " + instead : here + " instead of " + instead;
}

std::string header_difference(const std::vector<ReachedHeader>& wanted,
                              const std::vector<ReachedHeader>& there) {
  std::string changed, added, gone;
  const auto find = [](const std::vector<ReachedHeader>& in, const std::string& path) {
    return llvm::find_if(in, [&](const ReachedHeader& header) { return header.path == path; });
  };
  const auto name = [](std::string& list, const std::string& path) {
    list += (list.empty() ? "" : ", ") + path;
  };
  for (const ReachedHeader& header : wanted) {
    const auto found = find(there, header.path);
    if (found == there.end())
      name(added, header.path);
    else if (found->digest != header.digest)
      name(changed, header.path);
  }
  for (const ReachedHeader& header : there)
    if (find(wanted, header.path) == wanted.end()) name(gone, header.path);
  std::string text = changed.empty() ? "" : changed + " changed";
  if (!added.empty()) text += (text.empty() ? "" : "; ") + added + " added";
  if (!gone.empty()) text += (text.empty() ? "" : "; ") + ("without " + gone);
  return text;
}

/// The first line that differs, and how many do.
std::string source_difference(llvm::StringRef wanted, llvm::StringRef there) {
  llvm::SmallVector<llvm::StringRef, 0> here, before;
  wanted.split(here, '\n');
  there.split(before, '\n');
  const auto line = [](llvm::ArrayRef<llvm::StringRef> lines, size_t i) {
    return i < lines.size() ? quoted(lines[i]) : std::string("nothing");
  };
  size_t first = 0, differing = 0;
  for (size_t i = std::max(here.size(), before.size()); i-- > 0;)
    if (i >= here.size() || i >= before.size() || here[i] != before[i]) first = i, ++differing;
  if (!differing) return "";
  return "line " + std::to_string(first + 1) + ": " + line(here, first) + " instead of " +
         line(before, first) + (differing > 1 ? ", and " + std::to_string(differing - 1) + " more" : "");
}

}  // namespace

std::vector<Difference> differences(const KeyParts& wanted, const KeyParts& there) {
  std::vector<Difference> found;
  const auto add = [&](Difference::Part part, const std::string& text) {
    if (!text.empty()) found.push_back({part, text});
  };
  add(Difference::kKernel,
      wanted.kernel == there.kernel ? "" : wanted.kernel + " instead of " + there.kernel);
  add(Difference::kCompiler,
      wanted.compiler == there.compiler ? "" : wanted.compiler + " instead of " + there.compiler);
  add(Difference::kOptions, list_difference(wanted.options, there.options));
  add(Difference::kHeaders, header_difference(wanted.headers, there.headers));
  add(Difference::kSource, source_difference(wanted.source, there.source));
  return found;
}

const StoredEntry* nearest_entry(const KeyParts& wanted, llvm::ArrayRef<StoredEntry> entries) {
  const StoredEntry* nearest = nullptr;
  size_t fewest = 0;
  for (const StoredEntry& stored : entries) {  // the last used comes first
    if (!stored.problem.empty() || stored.entry.key.kernel != wanted.kernel) continue;
    const size_t count = differences(wanted, stored.entry.key).size();
    if (!nearest || count < fewest) nearest = &stored, fewest = count;
  }
  return nearest;
}

}  // namespace tenon::cache
