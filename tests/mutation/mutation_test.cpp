// The emulator's checks against their purpose: kernels that are right, with one synchronising instruction taken out or made
// wrong. Prints by what each was detected; asserts that nearly all were, and that survivors.txt says why of the others
// each does no harm.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>

#include "codegen/embedded.h"
#include "ir/diagnostics.h"
#include "runtime/cuda/nvrtc.h"
#include "tests/mutation/trial.h"

using namespace tenon;
using namespace tenon::mutation;

namespace {

/// The kernels with what they do unmutated; empty where there is no NVRTC.
std::vector<Trial> make_trials(const std::vector<Case>& cases, llvm::ArrayRef<EmbeddedFile> headers) {
  std::vector<Trial> trials;
  const cuda::LibrarySearch search = cuda::find_nvrtc();
  if (!search.library) {
    MESSAGE("SKIPPED: no NVRTC to compile kernels with");
    return trials;
  }
  std::vector<cuda::CompileRequest> requests;
  for (const Case& kernel : cases)
    requests.push_back({kernel.name + ".cu", kernel.source, kernel.target, false});
  const std::vector<cuda::CompiledKernel> compiled = cuda::Nvrtc(search).compile_all(requests, headers);
  for (size_t i = 0; i < cases.size(); ++i) {
    try {
      trials.emplace_back(cases[i], compiled[i].ptx);
    } catch (const Error& error) {
      FAIL_CHECK(std::string(error.what()));
    }
  }
  return trials;
}

/// Mutants that do no harm: "kernel | place, change | why", a line each.
class Survivors {
 public:
  Survivors() {
    std::ifstream file(TENON_SOURCE_DIR "/tests/mutation/survivors.txt");
    for (std::string line; std::getline(file, line);) {
      if (line.empty() || line[0] == '#') continue;
      const auto [kernel, rest] = llvm::StringRef(line).split(" | ");
      const auto [key, why] = rest.split(" | ");
      CHECK_MESSAGE(!why.empty(), "survivors.txt does not say why: ", line);
      entries_[kernel.str() + " | " + key.str()] = false;
    }
  }
  bool explains(const Case& kernel, const Mutant& mutant) {
    const auto entry = entries_.find(kernel.name + " | " + mutant.key());
    if (entry == entries_.end()) return false;
    return entry->second = true;
  }
  /// Entries for one of `cases` that no survivor has needed.
  std::vector<std::string> stale(const std::vector<Case>& cases) const {
    std::vector<std::string> list;
    for (const auto& [key, used] : entries_)
      for (const Case& kernel : cases)
        if (!used && llvm::StringRef(key).startswith(kernel.name + " | ")) {
          list.push_back(key);
          break;
        }
    return list;
  }

 private:
  std::map<std::string, bool> entries_;
};

struct Row {
  int mutants = 0, by[kSigns] = {}, silent = 0, harmless = 0;
  int missed() const { return by[static_cast<int>(Sign::kNone)] - harmless; }
  Row& operator+=(const Row& other) {
    mutants += other.mutants, silent += other.silent, harmless += other.harmless;
    for (int i = 0; i < kSigns; ++i) by[i] += other.by[i];
    return *this;
  }
};

class Table {
 public:
  explicit Table(const char* title) : title_(title) {}
  Row& row(const std::string& kernel, const std::string& kind) { return rows_[{kernel, kind}]; }
  /// The same, all kernels together, or all kinds.
  Table by_kind() const {
    Table table(title_);
    for (const auto& [key, row] : rows_) table.row("all", key.second) += row;
    return table;
  }
  Table by_kernel() const {
    Table table(title_);
    for (const auto& [key, row] : rows_) table.row(key.first, "all") += row;
    return table;
  }
  Row sum() const {
    Row all;
    for (const auto& [key, row] : rows_) all += row;
    return all;
  }
  void print() const {
    std::printf("\n%s\n| kernel | instruction | mutants |", title_);
    for (int i = 0; i + 1 < kSigns; ++i) std::printf(" %s |", name(static_cast<Sign>(i)));
    std::printf(" right values | harmless | missed |\n|---|---|");
    for (int i = 0; i < kSigns + 3; ++i) std::printf("--:|");
    std::printf("\n");
    for (const auto& [key, row] : rows_) print(key.first, key.second, row);
    print("all", "", sum());
  }

 private:
  static void print(const std::string& kernel, const std::string& kind, const Row& row) {
    std::printf("| %s | %s | %d |", kernel.c_str(), kind.c_str(), row.mutants);
    for (int i = 0; i + 1 < kSigns; ++i) std::printf(" %s |", number(row.by[i]).c_str());
    std::printf(" %s | %s | %s |\n", number(row.silent).c_str(), number(row.harmless).c_str(),
                number(row.missed()).c_str());
  }
  static std::string number(int n) { return n ? std::to_string(n) : ""; }

  const char* title_;
  std::map<std::pair<std::string, std::string>, Row> rows_;
};

void run_all(const std::vector<Case>& cases, llvm::ArrayRef<EmbeddedFile> headers) {
  const auto begin = std::chrono::steady_clock::now();
  const char* only = std::getenv("TENON_MUTATE");
  const char* verbose = std::getenv("TENON_MUTATION_FINDINGS");
  const std::vector<Trial> trials = make_trials(cases, headers);
  if (trials.empty()) return;
  Survivors survivors;
  Table tables[] = {Table("Deleted"), Table("Altered")};
  for (const Trial& trial : trials) {
    const Case& kernel = trial.kernel();
    if (only && kernel.name != only) continue;
    for (const Mutant& mutant : trial.mutants()) {
      Verdict verdict;
      try {
        verdict = trial.judge(mutant);
      } catch (const Error& error) {
        FAIL_CHECK(kernel.name, ", ", mutant.key(), ": ", std::string(error.what()));
        continue;
      }
      Row& row = tables[mutant.way].row(kernel.name + ", " + kernel.target, mutant.kind);
      ++row.mutants;
      ++row.by[static_cast<int>(verdict.sign)];
      row.silent += verdict.silent;
      if (verbose)
        std::printf("\n%s %s | %s (line %d): %s\n%s", kernel.name.c_str(), kernel.target.c_str(),
                    mutant.key().c_str(), mutant.line, name(verdict.sign), verdict.text.c_str());
      if (verdict.sign != Sign::kNone) continue;
      if (survivors.explains(kernel, mutant)) {
        ++row.harmless;
      } else {
        std::printf("%s | %s | MISSED, %s, PTX line %d\n", kernel.name.c_str(), mutant.key().c_str(),
                    kernel.target.c_str(), mutant.line);
      }
    }
  }
  for (const Table& table : tables) {
    table.print();
    table.by_kind().print();
    table.by_kernel().print();
    const Row sum = table.sum();
    const int harmful = sum.mutants - sum.harmless;
    std::printf("%d of %d harmful mutants detected\n", harmful - sum.missed(), harmful);
    CHECK(sum.mutants > 0);
    CHECK(sum.missed() * 20 <= harmful);
  }
  if (!only)
    for (const std::string& entry : survivors.stale(cases)) FAIL_CHECK("survivors.txt is stale: ", entry);
  std::printf("%.1f s\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
}

}  // namespace

TEST_CASE("mutants of kernels are detected") {
  std::vector<Case> cases = tenon_kernels(), more = hopper_kernels();
  std::move(more.begin(), more.end(), std::back_inserter(cases));
  std::vector<EmbeddedFile> headers = hopper_headers();
  for (const EmbeddedFile& file : embedded_templates()) headers.push_back(file);
  run_all(cases, headers);
}
