// The cuBLASLt family: which tails are the library's own epilogues, and the call that it makes of them.
#include "codegen/families/cublaslt.h"

#include <doctest/doctest.h>

#include "tests/codegen/kernel_check.h"

using namespace tenon;

namespace {

constexpr DType kBf16 = DType::kBF16;

Target target() {
  Target h200;
  h200.card = find_target("h200");
  return h200;
}

/// A product of x [2, 24, 64] with w [96, 64] transposed, and room for a tail.
struct Site {
  Graph graph;
  Builder builder{graph};
  Value* x = source(Op::kInput, "x", {2, 24, 64});
  Value* y = builder.matmul(x, source(Op::kWeight, "w", {96, 64}), false, true);

  Value* source(Op op, const char* name, Shape shape, DType type = kBf16) {
    return builder.source(op, name, {type, std::move(shape)});
  }
  Value* op(Op what, llvm::ArrayRef<Value*> operands) { return builder.make(what, operands); }
  Region region(Value* output) {
    graph.add_output("y", output);
    return region_of(graph, Pattern::kProduct);
  }
};

EmittedKernel emitted(const Region& region) {
  CHECK(cublaslt_family().refuses(region, target()) == "");
  const std::vector<Candidate> candidates = cublaslt_family().candidates(region, target());
  REQUIRE(candidates.size() == 1);
  return cublaslt_family().emit(region, candidates[0], target(), "call");
}

}  // namespace

TEST_CASE("bias, residual and gelu become one call, whatever their order of addition") {
  for (bool bias_first : {true, false}) {
    Site site;
    Value *bias = site.source(Op::kWeight, "b", {96}), *residual = site.source(Op::kInput, "r", {2, 24, 96});
    Value* sum = site.op(Op::kAdd, {site.y, bias_first ? bias : residual});
    sum = site.op(Op::kAdd, {bias_first ? residual : bias, sum});
    const Region region = site.region(site.op(Op::kGeluTanh, {sum}));
    const EmittedKernel kernel = emitted(region);
    const LibraryProduct& p = kernel.product;
    CHECK(cublaslt_family().candidates(region, target())[0].config == "bias_residual_gelu epilogue");
    CHECK((p.m == 48 && p.n == 96 && p.k == 64 && p.batch == 1));
    CHECK((p.lda == 64 && p.ldb == 64 && p.ldc == 96 && p.ldd == 96));
    CHECK((!p.transpose_a && p.transpose_b && p.dtype == kBf16 && p.activation == LibraryProduct::kGeluTanh));
    CHECK(kernel.source == "");
    const auto parameter = [&](int argument) {
      return region.inputs[kernel.arguments[argument].index]->name();
    };
    CHECK(parameter(p.a) == "x");
    CHECK(parameter(p.b) == "w");
    CHECK(parameter(p.bias) == "b");
    CHECK(parameter(p.c) == "r");
    CHECK(kernel.arguments[p.d].kind == KernelArgument::kResult);
  }
}

TEST_CASE("a batch of one stride is one call, transposed operands are the library's") {
  Graph graph;
  Builder b(graph);
  Value* left = b.source(Op::kInput, "a", {kBf16, {2, 3, 16, 5}});
  Value* right = b.source(Op::kInput, "b", {kBf16, {2, 3, 16, 8}});
  graph.add_output("y", b.matmul(left, right, true, false));
  const LibraryProduct p = emitted(region_of(graph, Pattern::kProduct)).product;
  CHECK((p.m == 5 && p.n == 8 && p.k == 16 && p.batch == 6));
  CHECK((p.transpose_a && !p.transpose_b && p.lda == 5 && p.ldb == 8 && p.ldd == 8));
  CHECK((p.stride_a == 80 && p.stride_b == 128 && p.stride_d == 40));
}

TEST_CASE("what the library has no epilogue for is refused by name") {
  const auto refusal = [](Site& site, Value* output) {
    return cublaslt_family().refuses(site.region(output), target());
  };
  Site erf, scaled, after, two, wide;
  CHECK(refusal(erf, erf.op(Op::kGelu, {erf.y})) == "gelu is no epilogue of cuBLASLt here");
  CHECK(refusal(scaled, scaled.op(Op::kMul, {scaled.y, scaled.source(Op::kInput, "s", {2, 24, 96})})) ==
        "mul is no epilogue of cuBLASLt here");
  Value* active = after.op(Op::kRelu, {after.y});
  CHECK(refusal(after, after.op(Op::kAdd, {active, after.source(Op::kInput, "r", {2, 24, 96})})) ==
        "add is no epilogue of cuBLASLt here");
  two.graph.add_output("first", two.y);
  CHECK(refusal(two, two.op(Op::kRelu, {two.y})) == "relu is no epilogue of cuBLASLt here");
  CHECK(refusal(wide, wide.builder.cast(wide.y, DType::kF32)) == "cast is no epilogue of cuBLASLt here");
}

TEST_CASE("the estimate is a roofline with the card's band, and says what its numbers are") {
  Graph graph;
  Builder b(graph);
  Value* x = b.source(Op::kInput, "x", {kBf16, {4096, 4096}});
  graph.add_output("y", b.matmul(x, b.source(Op::kWeight, "w", {kBf16, {4096, 4096}})));
  const Candidate large = cublaslt_family().candidates(region_of(graph, Pattern::kProduct), target())[0];
  const Card& card = find_target("h200");
  const double arithmetic =
      2.0 * 4096 * 4096 * 4096 / (card.tensor_16_tflops * card.library_efficiency * 1e6);
  CHECK(large.estimate.us > arithmetic);
  CHECK(large.estimate.us < 1.2 * arithmetic + card.launch_us + 5);
  CHECK(large.estimate.basis == Basis::kDatasheet);
  CHECK(large.estimate.uncertainty == card.uncertainty);
  CHECK(large.estimate.flops == int64_t{2} * 4096 * 4096 * 4096);
  CHECK(large.estimate.terms[1].name == "arithmetic");
}
