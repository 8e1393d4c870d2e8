// lower_attention.cpp: heads, attention, rotary positions and the cache.
#include <cmath>

#include "ir/lower_operations.h"

namespace tenon {

Operands lower_heads(Call& call) {
  Value* x = call.tensor("x");
  const Type& type = x->type();
  Dim n = call.integer("n");
  if (type.rank() != 3) call.fail_at("x", "x must be [B, T, n*d], not " + type.text());
  if (n.extent() < 1 || type.shape[2].extent() % n.extent() != 0)
    call.fail_at("n", type.shape[2].text() + " does not divide into " + n.text() + " heads");
  Value* split = call.builder.reshape(x, {type.shape[0], type.shape[1], n, floor_div(type.shape[2], n)});
  return {call.builder.transpose(split, {0, 2, 1, 3})};
}

Operands lower_merge_heads(Call& call) {
  Value* x = call.tensor("x");
  Shape shape = x->type().shape;
  if (shape.size() != 4) call.fail_at("x", "x must be [B, n, T, d], not " + x->type().text());
  Value* turned = call.builder.transpose(x, {0, 2, 1, 3});
  return {call.builder.reshape(turned, {shape[0], shape[2], shape[1] * shape[3]})};
}

Operands lower_attention(Call& call) {
  llvm::SmallVector<Value*, 7> operands{call.tensor("q"), call.tensor("k"), call.tensor("v")};
  const Type& q = operands[0]->type();
  double head_dim = q.rank() == 4 ? static_cast<double>(q.shape[3].extent()) : 1;
  Attributes attributes{{"causal", call.flag("causal")},
                        {"scale", call.given("scale") ? call.real("scale") : 1 / std::sqrt(head_dim)}};
  Dim window = call.integer("window");
  double softcap = call.real("softcap");
  if (window.extent() < 0) call.fail_at("window", "a negative window");
  if (!(softcap >= 0)) call.fail_at("softcap", "a negative softcap");
  if (window.extent() > 0) attributes.set("window", window);
  if (softcap > 0) attributes.set("softcap", softcap);
  // The operands stand in the order of ops.def: mask, offset, alibi, sinks.
  for (llvm::StringRef name : {"mask", "offset", "alibi", "sinks"}) {
    if (!call.given(name)) continue;
    Operand operand = call.operand(name);
    if (operand.is_number() && name == "offset" && operand.number.value == 0) continue;
    if (operand.is_number() && name != "offset")
      call.fail_at(name, name.str() + " must be a tensor, not a number");
    attributes.set(name, true);
    operands.push_back(call.typed(operand, DType::kI32));
  }
  return {call.builder.make(Op::kAttention, operands, attributes)};
}

Operands lower_rope(Call& call) {
  llvm::SmallVector<Value*, 3> operands{call.tensor("x"), call.tensor_or_constant("position", DType::kI32)};
  const Type& x = operands[0]->type();
  Attributes attributes{{"interleaved", call.flag("interleaved")}};
  if (call.given("rotary_dim"))
    attributes.set("rotary_dim", call.integer("rotary_dim"));
  else if (x.rank() == 4)
    attributes.set("rotary_dim", x.shape[3]);
  if (double scale = call.real("scale"); scale != 1) attributes.set("scale", scale);
  if (!call.given("frequencies")) {
    attributes.set("theta", call.real("theta"));
  } else if (call.is_list("frequencies")) {
    std::vector<double> values;
    for (const Number& number : call.numbers("frequencies")) values.push_back(number.value);
    Type type{DType::kF32, {Dim(static_cast<int64_t>(values.size()))}};
    operands.push_back(call.builder.make(Op::kConstant, {}, {{"values", values}}, &type));
  } else {
    operands.push_back(call.tensor("frequencies"));
    if (operands[2]->type().dtype != DType::kF32)
      call.fail_at("frequencies", "frequencies must be f32, not " + operands[2]->type().text());
  }
  attributes.set("frequencies", operands.size() > 2);
  return {call.builder.make(Op::kRope, operands, attributes)};
}

namespace {

/// A pool [P, H, page, d] as the cache [B, H, n*page, d] that a table of pages [B, n] makes of it: movement that kernels
/// read through.
Value* gather_pages(Builder& builder, Value* pool, Value* pages) {
  const Shape pool_shape = pool->type().shape, table = pages->type().shape;
  Value* gathered = builder.make(Op::kGather, {pool, pages}, {{"axis", int64_t{0}}});  // [B, n, H, page, d]
  Value* turned = builder.transpose(gathered, {0, 2, 1, 3, 4});
  return builder.reshape(turned, {table[0], pool_shape[1], table[1] * pool_shape[2], pool_shape[3]});
}

}  // namespace

Operands lower_cache(Call& call) {
  Value* position = call.tensor_or_constant("position", DType::kI32);
  Value* pages = call.optional_tensor("pages");
  Operands results;
  for (const auto& [cache_name, fresh_name] : {std::pair("k_cache", "k"), std::pair("v_cache", "v")}) {
    Value* cache = call.tensor(cache_name);
    llvm::SmallVector<Value*, 4> operands{cache, call.tensor(fresh_name), position};
    Attributes attributes;
    if (pages) {
      operands.push_back(pages);
      attributes.set("pages", true);
    }
    Value* written = call.builder.make(Op::kCacheWrite, operands, attributes);
    call.update_state(cache, written);
    results.push_back(pages ? gather_pages(call.builder, written, pages) : written);
  }
  return results;
}

}  // namespace tenon
