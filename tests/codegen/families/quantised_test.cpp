// Quantised weights in the kernels of every family that reads them: any group, any alignment, both layouts.
#include <doctest/doctest.h>

#include "codegen/families/cublaslt.h"
#include "codegen/families/elementwise.h"
#include "codegen/families/gemm.h"
#include "codegen/families/gemv.h"
#include "tests/codegen/kernel_check.h"

using namespace tenon;

namespace {

/// All bytes that integers can be.
HostTensor draw(llvm::StringRef name, const Type& type) {
  HostTensor tensor = draw_normal(name, type);
  for (size_t i = 0; i < tensor.integers.size(); ++i) {
    const auto mixed = static_cast<int64_t>((i + 1) * 2654435761u >> 7 & 255);
    if (type.dtype == DType::kU8) tensor.integers[i] = mixed;
    if (type.dtype == DType::kI8) tensor.integers[i] = mixed - 128;
  }
  for (double& x : tensor.reals) x /= 8;  // sums of large integers stay where tolerances hold
  for (double& x : tensor.reals) x = round_to(type.dtype, x);
  return tensor;
}

struct Site {
  Graph graph;
  Builder b{graph};

  Value* weight(llvm::StringRef name, DType integers, DType floats, int64_t out, int64_t in, int64_t group) {
    Value* values = b.source(Op::kWeight, name, {integers, {out, integers == DType::kU8 ? in / 2 : in}});
    Value* scales = b.source(Op::kWeight, (name + "_scale").str(), {floats, {out, in / group}});
    return b.make(Op::kDequantise, {values, scales}, {{"group", group}});
  }
  Region region(Pattern pattern, Value* output) {
    graph.add_output("y", output);
    return region_of(graph, pattern);
  }
};

constexpr DType kTypes[] = {DType::kF32, DType::kBF16, DType::kF16};

double tolerance(DType type) { return type == DType::kF32 ? 2e-5 : type == DType::kF16 ? 4e-3 : 3e-2; }

/// [rows, in] @ [in, out] with weights along k, or [rows, out] @ [out, in] with weights along the columns.
void check_product(const EmittingFamily& family, DType type, DType integers, int64_t rows, int64_t out,
                   int64_t in, int64_t group, bool along_k, const char* config = "", bool all = false) {
  INFO(name_of(type).str(), " ", name_of(integers).str(), " ", rows, " x ", out, " x ", in, " group ", group);
  Site site;
  Value* x = site.b.source(Op::kInput, "x", {type, {rows, along_k ? in : out}});
  Value* w = site.weight("w", integers, type, out, in, group);
  const Region region = site.region(Pattern::kProduct, site.b.matmul(x, w, false, along_k));
  check_kernel(family, region,
               {.draw = draw, .all_candidates = all, .config = config, .tolerance = tolerance(type)});
}

}  // namespace

TEST_CASE("tiled products read integers of both widths along both indices") {
  for (DType type : kTypes) {
    check_product(gemm_family(), type, DType::kU8, 20, 33, 64, 16, true);
    check_product(gemm_family(), type, DType::kI8, 20, 33, 60, 20, true);  // lines aligned to 4 bytes
    check_product(gemm_family(), type, DType::kU8, 20, 33, 42, 3, true);  // and to one, groups inside a chunk
    check_product(gemm_family(), type, DType::kU8, 17, 30, 48, 24, false);
  }
}

TEST_CASE("products of few rows stream integers") {
  for (DType type : kTypes)
    for (DType integers : {DType::kU8, DType::kI8}) {
      check_product(gemv_family(), type, integers, 1, 24, 256, 64, true, "", true);
      check_product(gemv_family(), type, integers, 1, 32, 384, 32, true, "",
                    true);  // a warp's k in four groups and in two
      check_product(gemv_family(), type, integers, 11, 19, 256, 128, true, type == DType::kF32 ? "" : "mma",
                    true);
      check_product(gemv_family(), type, integers, 5, 16, 192, 96,
                    true);  // in groups that no power of two divides
      check_product(gemv_family(), type, integers, 3, 10, 42, 3, true);
      check_product(gemv_family(), type, integers, 2, 40, 96, 32, false);
    }
}

TEST_CASE("two products of quantised weights meet in their gate") {
  Site site;
  Value* x = site.b.source(Op::kInput, "x", {DType::kBF16, {1, 64}});
  Value* gate = site.b.matmul(x, site.weight("gate", DType::kU8, DType::kBF16, 32, 64, 32), false, true);
  Value* up = site.b.matmul(x, site.weight("up", DType::kU8, DType::kBF16, 32, 64, 32), false, true);
  const Region region =
      site.region(Pattern::kGated, site.b.make(Op::kMul, {site.b.make(Op::kSilu, {gate}), up}));
  const std::string source = check_kernel(gemv_family(), region, {.draw = draw, .tolerance = 3e-2});
  CHECK(source.find("{gate, gate_scale, 64}, QuantisedGroups<bf16, 4, 32, ") != std::string::npos);
}

TEST_CASE("rows of a quantised table, and arithmetic with quantised weights") {
  for (DType integers : {DType::kU8, DType::kI8}) {
    Site site;
    Value* ids = site.b.source(Op::kInput, "ids", {DType::kI32, {5}});
    Value* table = site.weight("table", integers, DType::kF32, 12, 24, 6);
    Value* rows = site.b.make(Op::kGather, {table, ids}, {{"axis", Dim(0)}});
    check_kernel(elementwise_family(), site.region(Pattern::kElementwise, site.b.make(Op::kNeg, {rows})),
                 {.draw = draw});
    Site other;
    Value* w = other.weight("w", integers, DType::kBF16, 3, 16, 8);
    check_kernel(elementwise_family(), other.region(Pattern::kElementwise, other.b.make(Op::kAdd, {w, w})),
                 {.draw = draw, .tolerance = 1e-2});
  }
}

TEST_CASE("the library does not read quantised weights") {
  Site site;
  Value* x = site.b.source(Op::kInput, "x", {DType::kBF16, {64, 64}});
  Value* w = site.weight("w", DType::kU8, DType::kBF16, 64, 64, 32);
  const Region region = site.region(Pattern::kProduct, site.b.matmul(x, w, false, true));
  Target target;
  target.card = find_target("h200");
  CHECK(cublaslt_family().refuses(region, target) ==
        "dequantise before the product: cuBLASLt does not read such weights");
}
