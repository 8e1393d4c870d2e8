// choice_test.cpp: the cost model chooses fusion where fusion is known to help, and the library where it is known to win.
#include <doctest/doctest.h>

#include "codegen/lower.h"
#include "ir/model.h"

using namespace tenon;

namespace {

/// The plan of `y` computed by `body` from x [rows, k] and weights w, u [k, n], b [n], g [k], all bf16.
std::shared_ptr<Plan> plan_of(int64_t rows, int64_t k, int64_t n, const std::string& body,
                              llvm::StringRef card = "h200") {
  auto number = [](int64_t value) { return std::to_string(value); };
  std::string text = "tenon = 1\n[model]\nname = \"m\"\ndtype = \"bf16\"\n[inputs]\nx = { shape = [" +
                     number(rows) + ", " + number(k) + "] }\n[weights]\n" + "w = { shape = [" + number(k) +
                     ", " + number(n) + "] }\nu = { shape = [" + number(k) + ", " + number(n) + "] }\n" +
                     "b = { shape = [" + number(n) + "] }\ng = { shape = [" + number(k) +
                     "] }\n[graph]\nbody = ['y = " + body + "']\noutputs = [\"y\"]\n";
  Model model = Model::parse(std::make_shared<const SourceFile>(SourceFile{"m.toml", text}));
  LowerOptions options;
  options.target_name = card.str();
  options.target.card = find_target(card);
  return lower(model.build(model.bind({}, {})), options);
}

bool one_generated_kernel(const Plan& plan) {
  return plan.steps.size() == 1 && plan.kernels[0].implementation == "generated";
}

int library_products(const Plan& plan) {
  int count = 0;
  for (const Kernel& kernel : plan.kernels)
    count += kernel.implementation == "cublaslt" ? kernel.launches : 0;
  return count;
}

}  // namespace

TEST_CASE("bytes saved against bandwidth: a gated product wins at short K and loses at long K") {
  // The saved traffic is 2F/(BW K) of the product's time: it shrinks with K, while what a generated product loses does not.
  CHECK(one_generated_kernel(*plan_of(8192, 128, 8192, "silu(x @ w) * (x @ u)")));
  CHECK(library_products(*plan_of(8192, 4096, 8192, "silu(x @ w) * (x @ u)")) == 2);
}

TEST_CASE(
    "launches saved: a small chain around a product is one kernel, because boundaries are all that it "
    "costs") {
  auto plan = plan_of(4, 64, 64, "silu(rmsnorm(x, g) @ w + b)");
  CHECK(one_generated_kernel(*plan));
  CHECK(plan->selection.unfused_launches == 4);
}

TEST_CASE("three ops and more: elementwise ops are one pass over memory") {
  auto plan = plan_of(4096, 4096, 16, "exp(x) * x + sigmoid(x)");
  REQUIRE(plan->steps.size() == 1);
  const Estimate& estimate = plan->kernels[0].estimate;
  CHECK(estimate.bytes_read + estimate.bytes_written == 2 * 2 * 4096 * 4096);
  CHECK(plan->selection.unfused_launches == 4);
}

TEST_CASE("no library epilogue for the tail: exact gelu is fused where tanh's is left to the library") {
  for (int64_t k : {128, 256}) {
    auto exact = plan_of(8192, k, 4096, "gelu(x @ w + b)"),
         approximate = plan_of(8192, k, 4096, "gelu(x @ w + b, approximate=\"tanh\")");
    CHECK(one_generated_kernel(*exact));
    REQUIRE(approximate->steps.size() == 1);
    CHECK(approximate->kernels[0].decision->candidates[approximate->kernels[0].decision->chosen].config ==
          "bias_gelu epilogue");
  }
}

TEST_CASE(
    "plain products and what the library's epilogues do are the library's, on every card that is not "
    "calibrated") {
  for (const Card& card : cards())
    for (int64_t rows : {1, 4096}) {
      INFO(card.name, " ", rows);
      CHECK(library_products(*plan_of(rows, 4096, 4096, "x @ w", card.name)) == 1);
      CHECK(library_products(*plan_of(rows, 4096, 4096, "x @ w + b", card.name)) == 1);
    }
}
