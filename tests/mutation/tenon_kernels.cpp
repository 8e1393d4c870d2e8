// tenon_kernels.cpp: kernels as Tenon's families emit them, with operands drawn at random.
#include <stdexcept>

#include "codegen/families/attention.h"
#include "codegen/families/gemm.h"
#include "codegen/families/row.h"
#include "ir/evaluate.h"
#include "passes/card.h"
#include "passes/passes.h"
#include "runtime/convert.h"
#include "tests/codegen/kernel_check.h"
#include "tests/mutation/corpus.h"

namespace tenon::mutation {
namespace {

constexpr DType kBf16 = DType::kBF16;
const Dim kTokens(40, "T");

std::vector<std::byte> bytes_of(const HostTensor& tensor) {
  std::vector<std::byte> bytes(static_cast<size_t>(tensor.type.bytes()));
  if (tensor.integral())
    from_i64(tensor.integers.data(), tensor.type.elements(), tensor.type.dtype, bytes.data());
  else
    from_f64(tensor.reals.data(), tensor.type.elements(), tensor.type.dtype, bytes.data());
  return bytes;
}

/// A graph under construction.
struct Site {
  Graph graph;
  Builder builder{graph};

  Value* input(const char* name, DType type, Shape shape) {
    return builder.source(Op::kInput, name, {type, std::move(shape)});
  }
  Value* weight(const char* name, DType type, Shape shape) {
    return builder.source(Op::kWeight, name, {type, std::move(shape)});
  }
  Region region(Pattern pattern, llvm::ArrayRef<Value*> outputs) {
    for (Value* output : outputs) graph.add_output("y", output);
    return region_of(graph, pattern);
  }
};

/// Buffers in the order of the body's parameters, then packed values, results, scratch.
class Launch {
 public:
  Launch(const Region& region, const EmittedKernel& kernel) : kernel_(kernel) {
    std::vector<HostTensor> operands;
    for (const Node& node : region.body->nodes())
      if (node.op() == Op::kParameter) {
        const auto index = static_cast<size_t>(node.attributes.integer("index"));
        operands.resize(std::max(operands.size(), index + 1));
        operands[index] = draw_normal(node.result()->name(), node.type());
      }
    const std::vector<HostTensor> values = evaluate_with_packed(*region.body, kernel.packed, operands);
    for (const HostTensor& tensor : operands) add("operand", tensor.type.bytes(), bytes_of(tensor));
    const size_t results = region.body->outputs().size();
    packed_ = static_cast<int>(buffers_.size());
    for (size_t i = results; i < values.size(); ++i)
      add("packed", values[i].type.bytes(), bytes_of(values[i]));
    for (size_t i = 0; i < results; ++i) {
      const int alias = kernel.aliases.empty() ? -1 : kernel.aliases[i];
      results_.push_back(alias >= 0 ? alias : add("result", values[i].type.bytes(), {}));
    }
  }

  void fill(Case& into) {
    for (const KernelArgument& a : kernel_.arguments) into.arguments.push_back(argument(a));
    into.buffers = std::move(buffers_);
  }

 private:
  int add(const char* name, int64_t bytes, std::vector<std::byte> contents) {
    const int index = static_cast<int>(buffers_.size());
    buffers_.push_back({name + (" " + std::to_string(index)), bytes, std::move(contents)});
    return index;
  }
  Argument argument(const KernelArgument& a) {
    switch (a.kind) {
      case KernelArgument::kOperand: return {Argument::kPointer, a.index, 0, {}};
      case KernelArgument::kPacked: return {Argument::kPointer, packed_ + a.index, 0, {}};
      case KernelArgument::kResult:
        return {Argument::kPointer, results_[static_cast<size_t>(a.index)], 0, {}};
      case KernelArgument::kWorkspace:
        return {Argument::kPointer, add("workspace", kernel_.workspace_bytes, {}), 0, {}};
      case KernelArgument::kCounters: {
        const std::vector<std::byte> zeros(static_cast<size_t>(kernel_.counter_bytes));
        return {Argument::kPointer, add("counters", kernel_.counter_bytes, zeros), 0, {}};
      }
      default: return {Argument::kInteger, -1, a.value, {}};
    }
  }

  const EmittedKernel& kernel_;
  std::vector<Buffer> buffers_;
  std::vector<int> results_;
  int packed_ = 0;
};

/// The first legal candidate whose config begins with `config` and, where asked, splits its sum.
Case emit(const char* name, const char* target, const EmittingFamily& family, const Region& region,
          llvm::StringRef config, llvm::StringRef part = "") {
  Target aim;
  aim.card = find_target(target);
  std::string others;
  for (const Candidate& candidate : family.candidates(region, aim)) {
    const llvm::StringRef text = candidate.config;
    others += "\n  " + candidate.config;
    if (!candidate.why_not.empty() || candidate.implementation != "generated" || !text.startswith(config) ||
        !text.contains(part))
      continue;
    const EmittedKernel kernel = family.emit(region, candidate, aim, "mutated");
    Case result{name, target, kernel.source, kernel.name};
    std::copy_n(kernel.grid, 3, result.grid);
    std::copy_n(kernel.block, 3, result.block);
    result.shared_bytes = kernel.shared_bytes;
    Launch(region, kernel).fill(result);
    return result;
  }
  throw std::logic_error(std::string("no candidate of ") + name + " begins with " + config.str() + others);
}

// Sums are long enough to come back to the first stage of the ring: what follows them uses its memory again.
Case product(const char* target, int64_t k) {
  Site site;
  Value* h = site.builder.matmul(site.input("x", kBf16, {kTokens, k}), site.weight("w", kBf16, {k, 72}));
  Value* y =
      site.builder.make(Op::kGeluTanh, {site.builder.make(Op::kAdd, {h, site.weight("b", kBf16, {72})})});
  return emit("product", target, gemm_family(), site.region(Pattern::kProduct, {y}), "32x64");
}

Case split_product(const char* target) {
  Site site;
  Value* x = site.input("x", kBf16, {Dim(7, "T"), 1024});
  Value* n = site.builder.make(Op::kLayernorm, {x}, {{"eps", 1e-5}, {"axis", Dim(-1)}});
  Value* y = site.builder.matmul(n, site.weight("w", kBf16, {72, 1024}), false, true);
  Region region = site.region(Pattern::kProduct, {y});
  if (const std::string fault = fold_norm(*region.body); !fault.empty()) throw std::logic_error(fault);
  seal(region);
  return emit("split product of a norm", target, gemm_family(), region, "16x", "split");
}

Case gated_product(const char* target) {
  Site site;
  Value* x = site.input("x", kBf16, {kTokens, 256});
  Value* gate = site.builder.matmul(x, site.weight("wg", kBf16, {64, 256}), false, true);
  Value* up = site.builder.matmul(x, site.weight("wu", kBf16, {64, 256}), false, true);
  Value* y = site.builder.make(Op::kMul, {site.builder.make(Op::kSilu, {gate}), up});
  return emit("gated product", target, gemm_family(), site.region(Pattern::kGated, {y}), "64x64");
}

Case product_with_head(const char* target) {
  Site site;
  Value* h =
      site.builder.make(Op::kMul, {site.builder.make(Op::kSilu, {site.input("gate", kBf16, {kTokens, 200})}),
                                   site.input("up", kBf16, {kTokens, 200})});
  Value* y = site.builder.matmul(h, site.weight("w", kBf16, {200, 40}));
  return emit("product with a head", target, gemm_family(), site.region(Pattern::kProduct, {y}), "32x128");
}

Case exact_product(const char* target) {
  Site site;
  Value* a = site.input("a", DType::kF32, {Dim(33), 100});
  Value* y = site.builder.matmul(a, site.weight("w", DType::kF32, {100, 40}));
  return emit("f32 product", target, gemm_family(), site.region(Pattern::kProduct, {y}), "64x64");
}

Case attention(const char* name, const char* target, const char* config, DType type, int heads, int kv_heads,
               Dim queries) {
  Site site;
  Value* q = site.input("q", type, {1, heads, queries, 64});
  Value* k = site.input("k", type, {1, kv_heads, Dim(300), 64});
  Value* v = site.input("v", type, {1, kv_heads, Dim(300), 64});
  Value* y = site.builder.make(Op::kAttention, {q, k, v}, {{"scale", 0.125}, {"causal", false}});
  return emit(name, target, attention_family(), site.region(Pattern::kAttention, {y}), config);
}

Case norm(const char* target) {
  Site site;
  Value* x = site.input("x", kBf16, {Dim(5, "T"), 1032});
  Value* y =
      site.builder.make(Op::kLayernorm, {x, site.weight("g", kBf16, {1032}), site.weight("b", kBf16, {1032})},
                        {{"axis", Dim(1)}, {"weight", true}, {"bias", true}, {"eps", 1e-5}});
  return emit("layer norm", target, row_family(), site.region(Pattern::kRow, {y}), "");
}

Case softmax(const char* target) {
  Site site;
  Value* y = site.builder.make(Op::kSoftmax, {site.input("x", DType::kF32, {Dim(2, "T"), Dim(20001)})},
                               {{"axis", Dim(1)}});
  return emit("softmax", target, row_family(), site.region(Pattern::kRow, {y}), "");
}

Case largest(const char* target) {
  Site site;
  Node* top = site.builder.make_node(Op::kTopk, {site.input("x", DType::kF32, {Dim(3), Dim(300, "T")})},
                                     {{"axis", Dim(1)}, {"k", Dim(7)}});
  return emit("top 7", target, row_family(), site.region(Pattern::kRow, {top->result(0), top->result(1)}),
              "");
}

Case column_mean(const char* target) {
  Site site;
  Value* x = site.input("x", DType::kF32, {Dim(600), Dim(12)});
  return emit("mean of columns", target, row_family(),
              site.region(Pattern::kRow, {site.builder.reduce(Op::kMean, x, {0}, false)}), "");
}

}  // namespace

std::vector<Case> tenon_kernels() {
  std::vector<Case> cases;
  cases.push_back(product("sm_80", 320));
  cases.push_back(product("sm_120", 256));
  for (const char* target : {"sm_80", "sm_120"}) {
    cases.push_back(split_product(target));
    cases.push_back(attention("attention", target, "64x64/2", kBf16, 2, 1, Dim(70, "T")));
    cases.push_back(
        attention("attention, keys by warps", target, "16x64/4 warps 1x4 pack 2", kBf16, 2, 1, Dim(20, "T")));
    cases.push_back(norm(target));
  }
  cases.push_back(gated_product("sm_80"));
  cases.push_back(product_with_head("sm_80"));
  cases.push_back(exact_product("sm_80"));
  cases.push_back(attention("f32 attention", "sm_80", "", DType::kF32, 2, 1, Dim(20, "T")));
  cases.push_back(softmax("sm_80"));
  cases.push_back(largest("sm_80"));
  cases.push_back(column_mean("sm_80"));
  return cases;
}

}  // namespace tenon::mutation
