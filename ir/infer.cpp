// infer.cpp: shape and type rules.
#include "ir/infer.h"

#include <cassert>

#include "ir/diagnostics.h"

namespace tenon {
namespace {

/// What indices and positions may be: the narrower integers are for weights and arithmetic.
bool is_index(DType dtype) { return dtype == DType::kI32 || dtype == DType::kI64; }

/// The operands of one rule, so that rules read as sentences.
struct Rule {
  Op op;
  llvm::ArrayRef<Type> operands;
  const Attributes& attributes;
  const Type* given;
  const Location& location;

  [[noreturn]] void fail(const std::string& message, const std::string& hint = "") const {
    throw Error(name_of(op).str() + ": " + message, location, hint);
  }
  void same_dtype() const {
    size_t first = op == Op::kWhere ? 1 : 0;
    for (const Type& type : operands.drop_front(first))
      if (type.dtype != operands[first].dtype)
        fail("operands of types " + operands[first].text() + " and " + type.text(), "cast one of them");
  }
  void want_float(const Type& type) const {
    if (!is_float(type.dtype)) fail("needs a floating type, not " + type.text(), "cast it");
  }
  int64_t axis(const char* name = "axis", int64_t missing = -1) const {
    return normalise_axis(attributes.integer(name, missing), operands[0].rank(), location);
  }

  Type elementwise() const;
  Type reduction() const;
  llvm::SmallVector<Type, 2> normalisation() const;
  Type matmul() const;
  Type movement() const;
  Type concat() const;
  Type rope() const;
  Type attention() const;
  Type grouped_matmul() const;
  Type dequantise() const;
  Type sample() const;
  Type composite() const;
  Type cache_write() const;
};

Type Rule::elementwise() const {
  if (op == Op::kCast) return {given->dtype, operands[0].shape};
  same_dtype();
  DType dtype = operands.back().dtype;
  bool logical = op == Op::kNot || op == Op::kAnd || op == Op::kOr || op == Op::kXor;
  if (logical && dtype != DType::kBool) fail("needs bool, not " + operands[0].text());
  if (op == Op::kWhere && operands[0].dtype != DType::kBool)
    fail("the condition must be bool, not " + operands[0].text());
  bool any_type =
      logical || is_comparison(op) || op == Op::kWhere || op == Op::kMaximum || op == Op::kMinimum;
  if (dtype == DType::kBool && !any_type) fail("does not take bool", "cast it");
  switch (op) {
    case Op::kExp:
    case Op::kLog:
    case Op::kSqrt:
    case Op::kRsqrt:
    case Op::kReciprocal:
    case Op::kErf:
    case Op::kTanh:
    case Op::kSigmoid:
    case Op::kSilu:
    case Op::kGelu:
    case Op::kGeluTanh:
    case Op::kSin:
    case Op::kCos:
    case Op::kSoftplus:
    case Op::kLeakyRelu: want_float(operands[0]); break;
    default: break;
  }
  Type result{is_comparison(op) ? DType::kBool : dtype, operands[0].shape};
  for (const Type& type : operands.drop_front()) result.shape = broadcast(result.shape, type.shape, location);
  return result;
}

Type Rule::reduction() const {
  const Type& x = operands[0];
  Extents axes = attributes.integers("axes");
  if (op == Op::kArgmax && axes.size() != 1) fail("takes one axis");
  if (x.dtype == DType::kBool) fail("does not take bool", "cast it");
  llvm::SmallVector<bool, 6> reduced(x.rank(), false);
  for (int64_t axis : axes) {
    int64_t at = normalise_axis(axis, x.rank(), location);
    if (reduced[at]) fail("axis " + std::to_string(axis) + " stands twice");
    reduced[at] = true;
  }
  if (op == Op::kArgmax && x.shape[normalise_axis(axes[0], x.rank(), location)].extent() == 0)
    fail("of nothing has no index");
  Type result{op == Op::kArgmax ? DType::kI64 : x.dtype, {}};
  for (int64_t i = 0; i < x.rank(); ++i) {
    if (!reduced[i])
      result.shape.push_back(x.shape[i]);
    else if (attributes.flag("keepdims"))
      result.shape.push_back(1);
  }
  return result;
}

llvm::SmallVector<Type, 2> Rule::normalisation() const {
  const Type& x = operands[0];
  int64_t at = axis();
  if (op == Op::kTopk) {
    Type values = x;
    Dim k = attributes.dim("k");
    if (k.extent() < 0 || k.extent() > x.shape[at].extent())
      fail("k = " + k.text() + " of an axis of " + x.shape[at].text());
    values.shape[at] = k;
    return {values, {DType::kI64, values.shape}};
  }
  if (op == Op::kCumsum) return {x};
  want_float(x);
  if (op == Op::kMoments) {
    Type row{DType::kF32, x.shape};
    for (int64_t i = at; i < x.rank(); ++i) row.shape[i] = 1;
    return {row, row};
  }
  llvm::ArrayRef<Dim> row = llvm::ArrayRef<Dim>(x.shape).drop_front(at);
  for (const Type& type : operands.drop_front()) {
    if (type.dtype != x.dtype)
      fail("weight or bias of type " + type.text() + " for " + x.text(),
           "declare it with dtype \"" + name_of(x.dtype).str() + "\"");
    if (broadcast(row, type.shape, location) != Shape(row.begin(), row.end()))
      fail("weight or bias " + type.text() + " for rows of " + text_of(row));
  }
  return {x};
}

Type Rule::matmul() const {
  same_dtype();
  const Type &a = operands[0], &b = operands[1];
  if (a.rank() < 1 || b.rank() < 1)
    fail("needs operands of rank 1 or more, not " + a.text() + " and " + b.text());
  if (a.dtype == DType::kBool) fail("does not take bool", "cast it");
  bool ta = attributes.flag("transpose_a"), tb = attributes.flag("transpose_b");
  // A vector stands for a row (left) or a column (right), whose axis the result drops.
  Shape sa = a.shape, sb = b.shape;
  if (a.rank() == 1) sa.insert(sa.begin(), Dim(1));
  if (b.rank() == 1) sb.push_back(1);
  size_t ra = sa.size(), rb = sb.size();
  Dim m = sa[ra - (ta && a.rank() > 1 ? 1 : 2)], ka = sa[ra - (ta && a.rank() > 1 ? 2 : 1)];
  Dim kb = sb[rb - (tb && b.rank() > 1 ? 1 : 2)], n = sb[rb - (tb && b.rank() > 1 ? 2 : 1)];
  if (ka != kb)
    fail(a.text() + " and " + b.text() + " do not fit: the inner extents are " + ka.text() + " and " +
             kb.text(),
         "linear takes its weight as [out, in], @ as [in, out]");
  Type result{
      attributes.flag("wide") ? DType::kF32 : a.dtype,
      broadcast(llvm::ArrayRef<Dim>(sa).drop_back(2), llvm::ArrayRef<Dim>(sb).drop_back(2), location)};
  if (a.rank() > 1) result.shape.push_back(m);
  if (b.rank() > 1) result.shape.push_back(n);
  return result;
}

Type Rule::concat() const {
  same_dtype();
  Type result = operands[0];
  int64_t at = axis();
  for (const Type& type : operands.drop_front()) {
    if (type.rank() != result.rank()) fail(result.text() + " and " + type.text() + " differ in rank");
    for (int64_t i = 0; i < result.rank(); ++i)
      if (i != at && type.shape[i] != result.shape[i])
        fail(operands[0].text() + " and " + type.text() + " differ outside axis " + std::to_string(at));
    result.shape[at] = result.shape[at] + type.shape[at];
  }
  return result;
}

Type Rule::movement() const {
  const Type& x = operands[0];
  Type result = x;
  switch (op) {
    case Op::kReshape:
      if (given->elements() != x.elements())
        fail(x.text() + " has " + std::to_string(x.elements()) + " elements, " + text_of(given->shape) +
             " has " + std::to_string(given->elements()));
      return {x.dtype, given->shape};
    case Op::kExpand:
      if (broadcast(x.shape, given->shape, location) != given->shape)
        fail(x.text() + " does not broadcast to " + text_of(given->shape));
      return {x.dtype, given->shape};
    case Op::kTranspose: {
      Extents perm = attributes.integers("perm");
      llvm::SmallVector<bool, 6> seen(x.rank(), false);
      if (static_cast<int64_t>(perm.size()) != x.rank())
        fail("perm has " + std::to_string(perm.size()) + " entries for " + x.text());
      for (size_t i = 0; i < perm.size(); ++i) {
        int64_t from = normalise_axis(perm[i], x.rank(), location);
        if (seen[from]) fail("perm names axis " + std::to_string(from) + " twice");
        seen[from] = true;
        result.shape[i] = x.shape[from];
      }
      return result;
    }
    case Op::kSlice: result.shape[axis()] = given->shape[axis()]; return result;
    case Op::kConcat: return concat();
    case Op::kPad: {
      llvm::ArrayRef<Dim> before = attributes.dims("before"), after = attributes.dims("after");
      if (before.size() != x.shape.size() || after.size() != x.shape.size())
        fail("before and after need " + std::to_string(x.rank()) + " entries each");
      for (int64_t i = 0; i < x.rank(); ++i) {
        if (before[i].extent() < 0 || after[i].extent() < 0) fail("negative padding");
        result.shape[i] = before[i] + x.shape[i] + after[i];
      }
      return result;
    }
    case Op::kGather: {
      if (!is_index(operands[1].dtype)) fail("the index must be i32 or i64, not " + operands[1].text());
      int64_t at = axis("axis", 0);
      result.shape.assign(x.shape.begin(), x.shape.begin() + at);
      result.shape.append(operands[1].shape.begin(), operands[1].shape.end());
      result.shape.append(x.shape.begin() + at + 1, x.shape.end());
      return result;
    }
    default: {  // scatter
      const Type &index = operands[1], &updates = operands[2];
      Type expected = x;
      if (!is_index(index.dtype) || index.rank() != 1)
        fail("the index must be one-dimensional i32 or i64, not " + index.text());
      expected.shape[axis("axis", 0)] = index.shape[0];
      if (updates != expected) fail("updates must be " + expected.text() + ", not " + updates.text());
      return result;
    }
  }
}

Type Rule::rope() const {
  const Type &x = operands[0], &position = operands[1];
  if (x.rank() != 4) fail("x must be [B, n, T, d], not " + x.text());
  want_float(x);
  if (!is_index(position.dtype)) fail("position must be i32 or i64, not " + position.text());
  Dim batch = x.shape[0], tokens = x.shape[2];
  bool fits = position.rank() == 0 || (position.rank() == 1 && position.shape[0] == tokens) ||
              (position.rank() == 2 && position.shape[0] == batch &&
               (position.shape[1] == tokens || position.shape[1] == 1));
  if (!fits) fail("position " + position.text() + " for x " + x.text(), "a scalar, [T], [B, 1] or [B, T]");
  int64_t rotary = attributes.integer("rotary_dim", x.shape[3].extent());
  if (rotary % 2 != 0 || rotary < 0 || rotary > x.shape[3].extent())
    fail("rotary_dim " + std::to_string(rotary) + " of " + x.shape[3].text());
  if (operands.size() > 2 && (operands[2].rank() != 1 || operands[2].shape[0].extent() * 2 != rotary))
    fail("frequencies " + operands[2].text() + " for rotary_dim " + std::to_string(rotary));
  return x;
}

Type Rule::attention() const {
  const Type &q = operands[0], &k = operands[1], &v = operands[2];
  for (const Type* type : {&q, &k, &v}) {
    want_float(*type);
    if (type->rank() != 4)
      fail("q, k and v must be [B, heads, T, d], not " + type->text(), "heads(x, n) splits them");
    if (type->dtype != q.dtype)
      fail("q, k and v differ in type: " + q.text() + ", " + k.text() + ", " + v.text());
  }
  int64_t hq = q.shape[1].extent(), hkv = k.shape[1].extent();
  if (k.shape[0] != q.shape[0] || v.shape[0] != q.shape[0] || v.shape[1] != k.shape[1] ||
      v.shape[2] != k.shape[2])
    fail("k " + k.text() + " and v " + v.text() + " do not fit q " + q.text());
  if (q.shape[3] != k.shape[3]) fail("head_dim of q is " + q.shape[3].text() + ", of k " + k.shape[3].text());
  if (hkv == 0 ? hq != 0 : hq % hkv != 0)
    fail(std::to_string(hq) + " query heads are no multiple of " + std::to_string(hkv) + " key heads");
  size_t at = 3;
  for (llvm::StringRef name : {"mask", "offset", "alibi", "sinks"}) {
    if (!attributes.flag(name)) continue;
    const Type& type = operands[at++];
    if (name == "mask") {
      Shape full{q.shape[0], q.shape[1], q.shape[2], k.shape[2]};
      if (type.dtype != DType::kBool && type.dtype != q.dtype)
        fail("the mask must be bool or " + std::string(name_of(q.dtype)) + ", not " + type.text());
      if (broadcast(full, type.shape, location) != full)
        fail("the mask " + type.text() + " does not broadcast to " + text_of(full));
    } else if (name == "offset") {
      if (!is_index(type.dtype) || type.rank() > 1 || (type.rank() == 1 && type.shape[0] != q.shape[0]))
        fail("offset must be an integer, a scalar or [B], not " + type.text());
    } else if (type.rank() != 1 || type.shape[0] != q.shape[1]) {
      fail(std::string(name) + " must be [" + q.shape[1].text() + "], not " + type.text());
    }
  }
  return {q.dtype, {q.shape[0], q.shape[1], q.shape[2], v.shape[3]}};
}

Type Rule::grouped_matmul() const {
  const Type &x = operands[0], &w = operands[1], &ids = operands[2];
  want_float(x);
  if (w.dtype != x.dtype) fail("experts of type " + w.text() + " for x " + x.text(), "cast one of them");
  if (x.rank() < 1 || w.rank() != 3 || w.shape[2] != x.shape.back())
    fail("experts must be [E, out, in] with the in of x " + x.text() + ", not " + w.text());
  if (!is_index(ids.dtype)) fail("router_ids must be i32 or i64, not " + ids.text());
  Shape rows = x.shape, chosen = ids.shape;
  rows.pop_back();
  if (ids.rank() == x.rank()) chosen.pop_back();
  if (ids.rank() < 1 || chosen != rows)
    fail("router_ids " + ids.text() + " must be [.., k] for x " + x.text());
  Shape shape = ids.shape;
  shape.push_back(w.shape[1]);
  return {x.dtype, shape};
}

Type Rule::dequantise() const {
  const Type &values = operands[0], &scales = operands[1];
  const bool packed = values.dtype == DType::kU8;
  want_float(scales);
  if (!packed && values.dtype != DType::kI8)
    fail("values must be i8, or u8 with two of 4 bits, not " + values.text());
  if (values.rank() < 1) fail("values must have an axis, not " + values.text());
  Type result{scales.dtype, values.shape};
  if (packed) result.shape.back() = values.shape.back() * Dim(2);
  const int64_t group = attributes.integer("group");
  Shape expected = result.shape;
  if (group < 1 || result.shape.back().extent() % group != 0)
    fail(result.shape.back().text() + " elements do not divide into groups of " + std::to_string(group));
  expected.back() = floor_div(result.shape.back(), Dim(group));
  if (scales.shape != expected) fail("scales must be " + text_of(expected) + ", not " + scales.text());
  return result;
}

Type Rule::sample() const {
  const Type &logits = operands[0], &position = operands[1], &settings = operands[2], &limits = operands[3];
  want_float(logits);
  if (logits.rank() != 2 || logits.shape[1].extent() < 1) fail("logits must be [B, V], not " + logits.text());
  if (!is_index(position.dtype) || position.rank() > 1 ||
      (position.rank() == 1 && position.shape[0] != logits.shape[0]))
    fail("position must be a scalar or [B], not " + position.text());
  if (settings != Type{DType::kF32, {2}})
    fail("temperature and top_p must be f32[2], not " + settings.text());
  if (limits != Type{DType::kI64, {2}}) fail("top_k and seed must be i64[2], not " + limits.text());
  return {DType::kI64, {logits.shape[0]}};
}

Type Rule::composite() const {
  switch (op) {
    case Op::kRope: return rope();
    case Op::kGroupedMatmul: return grouped_matmul();
    case Op::kDequantise: return dequantise();
    case Op::kSample: return sample();
    default: return attention();
  }
}

Type Rule::cache_write() const {
  const Type &cache = operands[0], &fresh = operands[1], &position = operands[2];
  if (cache.dtype != fresh.dtype) fail("the cache is " + cache.text() + ", the new values " + fresh.text());
  const bool paged = attributes.flag("pages");
  bool fits = cache.rank() == 4 && fresh.rank() == 4 && (paged || cache.shape[0] == fresh.shape[0]) &&
              cache.shape[1] == fresh.shape[1] && cache.shape[3] == fresh.shape[3];
  if (!fits) fail("new values " + fresh.text() + " do not fit the cache " + cache.text());
  Dim capacity = cache.shape[2];
  if (paged) {
    const Type& pages = operands[3];
    if (!is_index(pages.dtype) || pages.rank() != 2 || pages.shape[0] != fresh.shape[0])
      fail("pages must be i32 or i64 [B, n], not " + pages.text());
    const int64_t page = cache.shape[2].extent();
    if (page < 16 || page > 256)
      fail("pages of " + cache.shape[2].text() + " tokens", "a page holds 16 to 256 tokens");
    capacity = capacity * pages.shape[1];
  }
  if (fresh.shape[2].extent() > capacity.extent())
    fail(fresh.shape[2].text() + " = " + std::to_string(fresh.shape[2].extent()) +
         " tokens do not fit the cache's capacity " + capacity.text());
  if (!is_index(position.dtype) || position.rank() > 1 ||
      (position.rank() == 1 && position.shape[0] != fresh.shape[0]))
    fail("position must be a scalar or [B], not " + position.text());
  return cache;
}

}  // namespace

Shape broadcast(llvm::ArrayRef<Dim> a, llvm::ArrayRef<Dim> b, const Location& location) {
  llvm::ArrayRef<Dim> longer = a.size() >= b.size() ? a : b, shorter = a.size() >= b.size() ? b : a;
  Shape result(longer.begin(), longer.end());
  size_t skip = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    Dim &x = result[skip + i], y = shorter[i];
    if (x.extent() == 1 && !(x.dynamic() && y.extent() == 1))
      x = y;
    else if (x != y && y.extent() != 1)
      throw Error("shapes " + text_of(a) + " and " + text_of(b) + " do not broadcast", location);
    else if (x == y && y.dynamic())
      x = y;
  }
  return result;
}

int64_t normalise_axis(int64_t axis, int64_t rank, const Location& location) {
  if (axis < -rank || axis >= rank)
    throw Error("axis " + std::to_string(axis) + " is outside a tensor of rank " + std::to_string(rank),
                location);
  return axis < 0 ? axis + rank : axis;
}

llvm::SmallVector<Type, 2> infer(Op op, llvm::ArrayRef<Type> operands, const Attributes& attributes,
                                 const Type* given, const Location& location) {
  Rule rule{op, operands, attributes, given, location};
  switch (kind_of(op)) {
    case OpKind::kSource: return {*given};
    case OpKind::kElementwise: return {rule.elementwise()};
    case OpKind::kReduction: return {rule.reduction()};
    case OpKind::kNormalisation: return rule.normalisation();
    case OpKind::kContraction: return {rule.matmul()};
    case OpKind::kMovement: return {rule.movement()};
    case OpKind::kComposite: return {rule.composite()};
    case OpKind::kState: return {rule.cache_write()};
    case OpKind::kRegion: break;
  }
  assert(false && "a region's types come from its body");
  return {};
}

}  // namespace tenon
