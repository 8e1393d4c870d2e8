// entry_test.cpp: where launches overlap, an entry lets the next kernel in and waits; elsewhere it is plain.
#include "codegen/entry.h"

#include <doctest/doctest.h>

using namespace tenon;

namespace {

std::string entry_for(llvm::StringRef card, bool wait = true) {
  Target target;
  target.card = find_target(card);
  Text text("k.cu");
  open_entry(text, target, "128, 2", "k", "float* x", wait);
  text.close();
  return text.str();
}

}  // namespace

TEST_CASE("from sm_90 on a kernel lets its successor in and waits for what came before") {
  const std::string head = "extern \"C\" __global__ __launch_bounds__(128, 2) void k(float* x) {\n";
  const std::string early = "  ptx::launch_dependents();\n", wait = "  ptx::wait_for_predecessors();\n";
  for (const char* card : {"sm_90a", "sm_100a", "sm_120"})
    CHECK(entry_for(card) == head + early + wait + "}\n");
  CHECK(entry_for("h200", false) == head + early + "}\n");
  for (const char* card : {"sm_80", "sm_89"}) CHECK(entry_for(card) == head + "}\n");
}

TEST_CASE("overlap is for kernels that load weights first and for those that are mostly boundary") {
  Target target;
  target.card = find_target("h200");
  EmittedKernel kernel;
  Estimate estimate;
  estimate.us = target.card.launch_us * 10;
  CHECK(!gains_from_overlap(kernel, estimate, target));  // a library product
  kernel.source = "...";
  CHECK(!gains_from_overlap(kernel, estimate, target));
  kernel.loads_first = true;
  CHECK(gains_from_overlap(kernel, estimate, target));
  kernel.loads_first = false;
  estimate.us = target.card.launch_us * 1.5;
  CHECK(gains_from_overlap(kernel, estimate, target));
  target.card = find_target("a100");
  CHECK(!gains_from_overlap(kernel, estimate, target));
}
