// pipeline.cpp: the order of the plain rewrites.
#include "passes/pipeline.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "ir/print.h"
#include "ir/verify.h"
#include "passes/passes.h"

namespace tenon {
namespace {

struct Pass {
  llvm::StringLiteral name;
  bool (*run)(Graph&, Remarks&);
  llvm::StringLiteral reason;  ///< for its place
};

template <bool (*pass)(Graph&)>
bool plain(Graph& graph, Remarks&) {
  return pass(graph);
}

constexpr Pass kPasses[] = {
    {"simplify", plain<simplify>, "one spelling of each thing, so that patterns need not know the others"},
    {"fold_constants", plain<fold_constants>, "patterns ask for numbers"},
    {"eliminate_common", plain<eliminate_common>, "patterns ask whether two operands are the same value"},
    {"recognise_activation", recognise_activation, "before norms, whose tails may be activations"},
    {"recognise_softmax", recognise_softmax, "attention is built around it"},
    {"recognise_norm", recognise_norm, "after softmax, which leaves fewer means and squares to look at"},
    {"fold_layouts", plain<fold_layouts>, "attention and fusions read products in one form"},
    {"recognise_attention", recognise_attention, "needs softmax and folded transposes"},
    {"simplify", plain<simplify>, "what recognition made, and what it left over"},
    {"eliminate_common", plain<eliminate_common>, "masks and casts that recognition made twice"},
    {"eliminate_dead", plain<eliminate_dead>, "last: fusions must not see what nobody reads"},
};

void check(const Graph& graph, llvm::StringRef pass) {
#ifndef NDEBUG
  if (std::string problem = verify(graph); !problem.empty()) {
    std::fprintf(stderr, "after %s: %s\n%s", pass.str().c_str(), problem.c_str(), print(graph).c_str());
    std::abort();
  }
#else
  (void)graph, (void)pass;
#endif
}

/// A rule that ran twice says the same thing twice.
void drop_repeated(Remarks& remarks) {
  Remarks kept;
  for (SiteNotFused& remark : remarks) {
    bool known = llvm::any_of(kept, [&](const SiteNotFused& other) {
      return other.site == remark.site && other.pattern == remark.pattern && other.reason == remark.reason;
    });
    if (!known) kept.push_back(std::move(remark));
  }
  remarks = std::move(kept);
}

}  // namespace

void run_pipeline(Graph& graph, Remarks& remarks, const StageObserver& observer) {
  using Clock = std::chrono::steady_clock;
  check(graph, "reading");
  for (const Pass& pass : kPasses) {
    auto start = Clock::now();
    pass.run(graph, remarks);
    std::chrono::duration<double, std::micro> time = Clock::now() - start;
    check(graph, pass.name);
    if (observer) observer(pass.name, graph, time.count());
  }
  drop_repeated(remarks);
}

}  // namespace tenon
