// attention_site.h: attentions to test kernels with: inputs, one op, what may stand around it.
#pragma once
#include <cmath>

#include "tests/codegen/kernel_check.h"

namespace tenon::attention_site {

const Dim kT(37, "T"), kS(50, "S");

struct AttentionGraph {
  Graph graph;
  Builder builder{graph};

  Value* input(llvm::StringRef name, DType dtype, Shape shape) {
    return builder.source(Op::kInput, name, {dtype, std::move(shape)}, {{"name", name.str()}});
  }
  Value* attention(llvm::ArrayRef<Value*> operands, Attributes attributes) {
    const double d = static_cast<double>(operands[0]->type().shape[3].extent());
    if (!attributes.find("scale")) attributes.set("scale", 1 / std::sqrt(d));
    Value* a = builder.make(Op::kAttention, operands, std::move(attributes));
    a->set_name("a");
    return a;
  }
  Value* merge(Value* a) {
    const Shape& shape = a->type().shape;
    Value* turned = builder.transpose(a, {0, 2, 1, 3});
    Value* merged = builder.reshape(turned, {shape[0], shape[2], shape[1] * shape[3]});
    merged->set_name("merged");
    return merged;
  }
  Region region(Value* result) {
    graph.add_output("out", result);
    return region_of(graph, Pattern::kAttention);
  }
};

/// What rounding the weights to 16 bits and the output leave.
inline double tolerance(DType dtype) { return dtype == DType::kF32 ? 4e-6 : 2 * unit_roundoff(dtype); }

/// One attention of inputs q, k, v and, where the attributes ask for them, mask, offset, alibi and sinks.
struct Problem {
  DType dtype = DType::kBF16;
  Dim batch = 1;
  int heads = 2, kv_heads = 1;
  Dim queries = kT, keys = kS;
  int d = 32, dv = d;
  Attributes attributes = {};
  Shape offset = {};
  DType head_numbers = dtype;
  int page = 0, pool = 0;  ///< tokens of a page, and pages: k and v then lie in pools that "pages" names

  /// k or v of `depth` columns.
  Value* tokens(AttentionGraph& model, llvm::StringRef name, int depth, Value* table) const {
    if (page == 0) return model.input(name, dtype, {batch, kv_heads, keys, depth});
    Builder& b = model.builder;
    Value* pages = b.make(Op::kGather, {model.input(name, dtype, {pool, kv_heads, page, depth}), table},
                          {{"axis", int64_t{0}}});
    return b.reshape(b.transpose(pages, {0, 2, 1, 3, 4}), {batch, kv_heads, keys, depth});
  }
  Region region(AttentionGraph& model) const {
    Value* q = model.input("q", dtype, {batch, heads, queries, d});
    Value* table = page ? model.input("pages", DType::kI32, {batch, keys.extent() / page}) : nullptr;
    llvm::SmallVector<Value*, 7> operands = {q, tokens(model, "k", d, table), tokens(model, "v", dv, table)};
    if (attributes.flag("mask")) operands.push_back(model.input("mask", dtype, {heads, queries, keys}));
    if (attributes.flag("offset")) operands.push_back(model.input("position", DType::kI32, offset));
    for (llvm::StringRef name : {"alibi", "sinks"})
      if (attributes.flag(name)) operands.push_back(model.input(name, head_numbers, {heads}));
    return model.region(model.attention(operands, attributes));
  }
};

/// Normal numbers, but for a position of each batch row.
inline Draw with_positions(std::vector<int64_t> positions) {
  return [positions = std::move(positions)](llvm::StringRef name, const Type& type) {
    HostTensor tensor = draw_normal(name, type);
    if (name == "position") tensor.integers.assign(positions.begin(), positions.end());
    return tensor;
  };
}

}  // namespace tenon::attention_site
