// cublaslt.cpp: which regions are one call of cuBLASLt, and what the call is predicted to cost.
#include "codegen/families/cublaslt.h"

#include <algorithm>
#include <cmath>

#include "codegen/families/gemm_configs.h"
#include "ir/print.h"

namespace tenon {
namespace {

/// The call, with the values that its pointers are.
struct LibraryCall {
  LibraryProduct product;
  const Value *bias = nullptr, *c = nullptr;
};

/// One stride for all dims of the batch.
std::string read_batch_stride(const ProductProblem& problem, llvm::ArrayRef<Extent> strides,
                              int64_t& result) {
  result = 0;
  int64_t expected = -1;
  for (size_t i = problem.batch.size(); i-- > 0;) {
    const int64_t extent = problem.batch[i].extent(), stride = strides[i].value();
    if (extent == 1) continue;
    if (expected < 0) result = stride;
    if (expected >= 0 && stride != expected) return "matmul: its batch has more than one stride";
    expected = stride * extent;
  }
  return "";
}

class CallReader {
 public:
  CallReader(const Region& region, const Target& target) : region_(region), target_(target) {}

  std::string read(LibraryCall& call) {
    if (region_.pattern == Pattern::kGated) return "cuBLASLt computes one product a call";
    if (region_.pattern != Pattern::kProduct) return "no product region";
    if (std::string reason = analyse_product(region_, problem_); !reason.empty()) return reason;
    if (problem_.has_head())
      return name_of(problem_.head.back()->op()).str() + " before the product: cuBLASLt has no such head";
    if (problem_.b[0].dequantise) return "dequantise before the product: cuBLASLt does not read such weights";
    if (problem_.moments) return "moments: cuBLASLt takes no row statistics";
    if (std::string reason = read_product(call.product); !reason.empty()) return reason;
    return read_tail(call);
  }
  const ProductProblem& problem() const { return problem_; }

 private:
  std::string read_product(LibraryProduct& p) {
    p.m = problem_.m.extent(), p.n = problem_.n.extent(), p.k = problem_.k.extent();
    for (const Dim& extent : problem_.batch) p.batch *= extent.extent();
    if (p.m == 0 || p.n == 0 || p.k == 0 || p.batch == 0) return "matmul: cuBLASLt takes no empty product";
    const ProductOperand &a = problem_.a, &b = problem_.b[0];
    if (a.view.offset.value() != 0 || b.view.offset.value() != 0)
      return "matmul: an operand begins inside another tensor";
    p.dtype = problem_.dtype;
    p.tf32 = target_.tf32 || problem_.products[0]->attributes.flag("tf32");
    p.transpose_a = !a.along_k, p.transpose_b = b.along_k;
    p.lda = a.line_stride.value(), p.ldb = b.line_stride.value(), p.ldc = p.ldd = p.n;
    if (p.lda < (a.along_k ? p.k : p.m) || p.ldb < (b.along_k ? p.k : p.n))
      return "matmul: lines of an operand overlap";
    p.stride_c = p.stride_d = p.m * p.n;
    if (std::string reason = read_batch_stride(problem_, a.batch_strides, p.stride_a); !reason.empty())
      return reason;
    return read_batch_stride(problem_, b.batch_strides, p.stride_b);
  }

  /// The tail must be a chain: additions of a bias and of a matrix in any order, then an activation.
  std::string read_tail(LibraryCall& call) {
    const Value* value = problem_.products[0]->result();
    for (const Node* node : problem_.tail) {
      if (call.product.activation != LibraryProduct::kNone) return not_an_epilogue(*node);
      if (!llvm::is_contained(node->operands(), value) || value->is_result()) return not_an_epilogue(*node);
      if (node->op() == Op::kAdd) {
        if (!read_addend(*node, node->operand(node->operand(0) == value ? 1 : 0), call))
          return not_an_epilogue(*node);
      } else if (node->op() == Op::kRelu) {
        call.product.activation = LibraryProduct::kRelu;
      } else if (node->op() == Op::kGeluTanh) {
        call.product.activation = LibraryProduct::kGeluTanh;
      } else {
        return not_an_epilogue(*node);
      }
      value = node->result();
    }
    if (region_.body->outputs().size() != 1 || region_.body->outputs()[0].value != value)
      return "cuBLASLt writes one result, the last of the chain";
    if (value->type().dtype != problem_.dtype)
      return "matmul with a result in " + name_of(value->type().dtype).str() +
             ": cuBLASLt is asked for the operands' type";
    return "";
  }

  static std::string not_an_epilogue(const Node& node) {
    return name_of(node.op()).str() + " is no epilogue of cuBLASLt here";
  }

  bool read_addend(const Node& sum, const Value* addend, LibraryCall& call) const {
    const bool in_memory = addend->node()->op() == Op::kParameter || is_packed(addend);
    if (!in_memory || addend->type().dtype != problem_.dtype) return false;
    const Shape& shape = addend->type().shape;
    const bool full = shape == sum.type().shape;
    const bool columns =
        !shape.empty() && shape.back() == problem_.n && element_count(shape) == problem_.n.extent();
    const bool weight = is_weight_parameter(addend) || is_packed(addend);
    if (columns && (weight || !full) &&
        !call.bias)  // one row may be both: what the model learned is the bias
      call.bias = addend;
    else if (full && !call.c)
      call.c = addend;
    else
      return false;
    return true;
  }

  const Region& region_;
  const Target& target_;
  ProductProblem problem_;
};

std::string config_of(const LibraryCall& call) {
  std::string name = call.bias ? "bias" : "";
  const auto add = [&](const char* part) { name += (name.empty() ? "" : "_") + std::string(part); };
  if (call.c) add("residual");
  if (call.product.activation == LibraryProduct::kRelu) add("relu");
  if (call.product.activation == LibraryProduct::kGeluTanh) add("gelu");
  return name.empty() ? "plain" : name + " epilogue";
}

/// The best filling of the card's SMs among tiles that the library is known to have. For few rows or columns it has kernels that
/// stream the weight without padding; they are taken to fill the card, so that a guess errs towards the library.
bool is_skinny(const LibraryProduct& p) {
  constexpr int64_t kSkinny = 16;
  return std::min(p.m, p.n) <= kSkinny;
}
double wave_efficiency(const LibraryProduct& p, int sms) {
  if (is_skinny(p)) return 1;
  constexpr int kTiles[][2] = {{128, 256}, {256, 128}, {128, 192}, {128, 128},
                               {64, 256},  {64, 128},  {64, 64}};
  double best = 0;
  for (const auto& [rows, cols] : kTiles) {
    const double tiles = std::ceil(double(p.m) / rows) * std::ceil(double(p.n) / cols) * double(p.batch);
    const double slices = std::clamp(std::floor(sms / tiles), 1.0,
                                     std::max(1.0, double(p.k) / 512));  // split-K where tiles are few
    const double blocks = tiles * slices,
                 useful = double(p.m) * double(p.n) * double(p.batch) / (tiles * rows * cols);
    best = std::max(best, useful * blocks / (std::ceil(blocks / sms) * sms));
  }
  return best;
}

Estimate estimate_call(const LibraryCall& call, const Region& region, const Target& target) {
  const LibraryProduct& p = call.product;
  // Of tiled products as of the generated ones, so that neither wins by a guess. Of few rows measured on an H200: a graph of
  // one row of 896 x 896 took 2.6 us more by the library than by the generated kernel (tests/bench/H200.md).
  const double fill = is_skinny(p) ? 2.6 : 1.5;
  const Card& card = target.card;
  Estimate estimate;
  count_work(region, estimate);
  estimate.basis = card.basis;
  estimate.uncertainty = card.uncertainty;
  const double flops = 2.0 * double(p.m) * double(p.n) * double(p.k) * double(p.batch);
  const double tflops = card.product_tflops(p.dtype, p.tf32) * card.library_efficiency,
               filled = wave_efficiency(p, card.sms);
  const double arithmetic = flops / (tflops * 1e6), waves = arithmetic / filled - arithmetic;
  const double dram =
      double(estimate.bytes_read + estimate.bytes_written) / (card.dram_gb_s * card.dram_efficiency * 1e3);
  estimate.terms = {
      {"launch", card.launch_us, "a kernel boundary"},
      {"arithmetic", arithmetic, decimal(flops / 1e9, 1) + " GFLOP at " + decimal(tflops, 0) + " TFLOP/s"},
      {"DRAM", dram,
       megabytes_at(double(estimate.bytes_read + estimate.bytes_written),
                    card.dram_gb_s * card.dram_efficiency)},
      {"waves", waves, "the best of the library's tiles fills " + decimal(filled * 100, 0) + " %"},
      {"fill", fill, "the first tile in, the last store out"}};
  estimate.us = card.launch_us + fill + std::max(arithmetic + waves, dram);
  return estimate;
}

class CublasltFamily final : public EmittingFamily {
 public:
  llvm::StringRef name() const override { return "cublaslt"; }

  std::string refuses(const Region& region, const Target& target) const override {
    LibraryCall call;
    return CallReader(region, target).read(call);
  }

  std::vector<Candidate> candidates(const Region& region, const Target& target) const override {
    LibraryCall call;
    CallReader(region, target).read(call);
    Candidate candidate;
    candidate.implementation = "cublaslt";
    candidate.config = config_of(call);
    candidate.why_not = target.library ? "" : "cuBLASLt cannot run on this target";
    candidate.estimate = estimate_call(call, region, target);
    return {candidate};
  }

  EmittedKernel emit(const Region& region, const Candidate&, const Target& target,
                     llvm::StringRef name) const override {
    LibraryCall call;
    CallReader reader(region, target);
    reader.read(call);
    EmittedKernel kernel;
    kernel.name = name.str();
    const auto argument = [&](const Value* value) {
      if (!value) return -1;
      KernelArgument pointer;
      if (value->node()->op() == Op::kParameter) {
        pointer.index = static_cast<int>(value->node()->attributes.integer("index"));
      } else {
        pointer.kind = KernelArgument::kPacked;
        pointer.index = static_cast<int>(kernel.packed.size());
        kernel.packed.push_back(value);
      }
      kernel.arguments.push_back(pointer);
      return static_cast<int>(kernel.arguments.size()) - 1;
    };
    kernel.product = call.product;
    kernel.product.a = argument(reader.problem().a.view.base);
    kernel.product.b = argument(reader.problem().b[0].view.base);
    kernel.product.bias = argument(call.bias);
    kernel.product.c = argument(call.c);
    KernelArgument result;
    result.kind = KernelArgument::kResult;
    kernel.arguments.push_back(result);
    kernel.product.d = static_cast<int>(kernel.arguments.size()) - 1;
    kernel.aliases = {-1};
    return kernel;
  }
};

}  // namespace

const EmittingFamily& cublaslt_family() {
  static const CublasltFamily family;
  return family;
}

}  // namespace tenon
