// findings.cpp: findings as people and programs read them.
#include "runtime/emulator/checks/findings.h"

#include <algorithm>
#include <cassert>
#include <tuple>

#include "llvm/ADT/SmallString.h"
#include "llvm/Demangle/Demangle.h"
#include "llvm/Support/FileSystem.h"

namespace tenon::emulator {
namespace {

struct KindText {
  FindingKind kind;
  llvm::StringRef name, title;
};

constexpr int kMaxInlining = 64;  // a chain in a text is untrusted and might go round

const KindText kKinds[] = {
    {FindingKind::kOutOfBounds, "out_of_bounds", "out of bounds"},
    {FindingKind::kMisaligned, "misaligned", "misaligned address"},
    {FindingKind::kReadOnly, "read_only", "write to read-only memory"},
    {FindingKind::kUseAfterFree, "use_after_free", "use after free"},
    {FindingKind::kUninitialised, "uninitialised", "use of an uninitialised value"},
    {FindingKind::kSharedRace, "shared_race", "race in shared memory"},
    {FindingKind::kGlobalRace, "global_race", "race in global memory"},
    {FindingKind::kProxyFence, "proxy_fence", "missing proxy fence"},
    {FindingKind::kRegisterHazard, "register_hazard", "wgmma register hazard"},
    {FindingKind::kDivergentCollective, "divergent_collective", "divergent collective"},
    {FindingKind::kBarrier, "barrier", "misused barrier"},
    {FindingKind::kMbarrier, "mbarrier", "misused mbarrier"},
    {FindingKind::kDescriptor, "descriptor", "invalid descriptor"},
    {FindingKind::kUnsupported, "unsupported", "not supported by the emulator"},
    {FindingKind::kDeadlock, "deadlock", "deadlock"},
    {FindingKind::kLeak, "leak", "unfinished at exit"},
    {FindingKind::kTrap, "trap", "trap"},
    {FindingKind::kBudget, "budget", "instruction budget exhausted"},
};

const KindText& text_of(FindingKind kind) {
  const KindText& text = kKinds[static_cast<int>(kind)];
  assert(text.kind == kind && "the table is in the order of the enumeration");
  return text;
}

// NVRTC puts the working directory before the names of sources and headers that it is given as text.
std::string from_here(llvm::StringRef file) {
  llvm::SmallString<128> here;
  if (llvm::sys::fs::current_path(here)) return file.str();
  here += "/";
  file.consume_front(here);
  return file.str();
}

// "_ZN5tenon9copy_tileIfEEvPT_" is tenon::copy_tile.
std::string readable(llvm::StringRef mangled) {
  const std::string whole = llvm::demangle(mangled.str());
  llvm::StringRef name = llvm::StringRef(whole).take_until([](char c) { return c == '(' || c == '<'; });
  if (name.contains(' ')) name = name.rsplit(' ').second;  // behind the type that a template returns
  return name.str();
}

std::string triple(const int (&values)[3]) {
  return "(" + std::to_string(values[0]) + "," + std::to_string(values[1]) + "," + std::to_string(values[2]) +
         ")";
}

}  // namespace

llvm::StringRef title(FindingKind kind) { return text_of(kind).title; }
llvm::StringRef name(FindingKind kind) { return text_of(kind).name; }

std::string Finding::text() const {
  std::string text = kernel + ": " + title(kind).str() + ": " + message + "\n";
  text += "  block " + triple(block);
  if (lane >= 0)
    text += ", thread " + triple(thread) + " (warp " + std::to_string(warp) + ", lane " +
            std::to_string(lane) + ")";
  else if (warp >= 0)
    text += ", warp " + std::to_string(warp);
  if (count > 1) text += ", and " + std::to_string(count - 1) + " more like it";
  text += "\n";
  if (ptx_line > 0) text += "  ptx line " + std::to_string(ptx_line) + ": " + ptx + "\n";
  for (size_t i = 0; i < source.size(); ++i) text += (i == 0 ? "  at " : "    from ") + source[i] + "\n";
  if (!equation.empty()) text += "  computing " + equation + "\n";
  for (const std::string& note : notes) text += "  " + note + "\n";
  return text;
}

std::vector<std::string> source_chain(const ptx::Module& module, int place) {
  std::vector<std::string> chain;
  const auto places = static_cast<int>(module.places.size());
  while (place >= 0 && place < places && chain.size() < kMaxInlining) {
    const ptx::SourcePlace& at = module.places[place];
    const bool named = at.file >= 0 && at.file < static_cast<int>(module.files.size());
    std::string text = (named ? from_here(module.files[at.file]) : "?") + ":" + std::to_string(at.line);
    if (!at.function.empty()) text += " (" + readable(at.function) + ")";
    chain.push_back(text);
    place = at.inlined_at;
  }
  return chain;
}

void Findings::add(Finding finding) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto [place, added] = first_.try_emplace({finding.op, finding.kind}, finding);
  if (added) return;
  // The first in the order of blocks is kept, whichever host thread came first.
  Finding& kept = place->second;
  const uint64_t count = kept.count + finding.count;
  auto key = [](const Finding& f) { return std::tie(f.block[2], f.block[1], f.block[0]); };
  if (key(finding) < key(kept)) kept = std::move(finding);
  kept.count = count;
}

bool Findings::empty() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return first_.empty();
}

std::vector<Finding> Findings::take() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Finding> findings;
  for (auto& [key, finding] : first_) findings.push_back(std::move(finding));
  first_.clear();
  auto key = [](const Finding& f) {
    return std::make_tuple(f.block[2], f.block[1], f.block[0], f.op, f.kind);
  };
  std::sort(findings.begin(), findings.end(),
            [&](const Finding& a, const Finding& b) { return key(a) < key(b); });
  return findings;
}

}  // namespace tenon::emulator
