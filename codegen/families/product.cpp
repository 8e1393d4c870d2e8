// product.cpp: reads a region's body as a product with head, statistics and tail.
#include "codegen/families/product.h"

#include <algorithm>
#include <numeric>

#include "codegen/expression_printer.h"
#include "ir/infer.h"

namespace tenon {
namespace {

/// The op that is in the way, with its reason: "sum in the tail: ...".
std::string in_the_way(const Node& node, const std::string& reason) {
  return name_of(node.op()).str() + " " + reason;
}

bool same_map(const DigitMap& a, const DigitMap& b) {
  const auto same_digit = [](const Digit& x, const Digit& y) {
    return x.coordinate == y.coordinate && x.weight.value() == y.weight.value() && x.extent == y.extent;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const auto& x, const auto& y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), same_digit);
  });
}

/// A value that a kernel can load or compute anywhere: numbers, memory with strides, elementwise ops over
/// them.
bool is_loadable(const Value* value) {
  if (is_uniform(value) || operand_view(value)) return true;
  const Node& node = *value->node();
  return is_elementwise(node.op()) && llvm::all_of(node.operands(), is_loadable);
}

/// A matmul's extents along its operands' last two axes, and the batch before them. A vector is a row of A; a
/// vector on the right is one too, and the matrix beside it then is B with its rows as lines along k.
class ProductReader {
 public:
  ProductReader(const Region& region, ProductProblem& problem) : region_(region), p_(problem) {}

  std::string read() {
    if (region_.pattern != Pattern::kProduct && region_.pattern != Pattern::kGated)
      return "no product region";
    for (const Node& node : region_.body->nodes())
      if (node.op() == Op::kMatmul && !is_packed(node.result())) p_.products.push_back(&node);
    if (p_.products.size() != (region_.pattern == Pattern::kGated ? 2u : 1u))
      return "matmul: " + std::to_string(p_.products.size()) + " of them in one region";
    const Node& first = *p_.products[0];
    for (const Node* other : p_.products)
      if (other->operand(0) != first.operand(0) || other->type() != first.type() ||
          !(other->attributes == first.attributes) || other->operand(1)->type() != first.operand(1)->type())
        return "matmul: the two products differ in their left operand, extents or layout";
    vector_on_right_ = first.operand(1)->type().rank() == 1 && first.operand(0)->type().rank() > 1;
    if (vector_on_right_ && p_.products.size() > 1) return "matmul: two products with vectors on the right";
    if (std::string reason = read_extents(first); !reason.empty()) return reason;
    if (std::string reason = read_operands(); !reason.empty()) return reason;
    if (std::string reason = read_tail(); !reason.empty()) return reason;
    return read_outputs();
  }

 private:
  std::string read_extents(const Node& product) {
    const Value *a = left(product), *b = right(product);
    p_.dtype = a->type().dtype;
    if (p_.dtype != DType::kF32 && p_.dtype != DType::kBF16 && p_.dtype != DType::kF16)
      return "matmul of " + name_of(p_.dtype).str() + ": products are of f32, bf16 and f16";
    const Shape &result = product.type().shape, &left_shape = a->type().shape, &right_shape = b->type().shape;
    const bool has_rows = left_shape.size() > 1, has_columns = right_shape.size() > 1;
    p_.n = has_columns ? result.back() : Dim(1);
    p_.k = left_shape[left_shape.size() - (has_rows && transpose_a() ? 2 : 1)];
    const llvm::ArrayRef<Dim> leading(result.data(), result.size() - has_rows - has_columns);
    const bool shared_b = !has_columns || llvm::all_of(llvm::makeArrayRef(right_shape).drop_back(2),
                                                       [](const Dim& d) { return d == 1; });
    const bool all_rows = has_rows && shared_b && !transpose_a() && (is_headed(a) || rows_are_even(*a));
    if (has_rows) p_.rows.assign(all_rows ? result.begin() : result.end() - 2, result.end() - 1);
    if (!all_rows) p_.batch.assign(leading.begin(), leading.end());
    p_.m = element_count_dim(p_.rows);
    for (const Dim& extent : {p_.m, p_.n, p_.k})
      if (extent.extent() >= (int64_t{1} << 31))
        return "matmul: an extent of " + extent.text() + " is beyond 32 bits";
    product_map_ = digits_of(Coordinate::kBatch, p_.batch);
    for (auto& axis : digits_of(Coordinate::kRow, p_.rows)) product_map_.push_back(axis);
    if (has_columns) product_map_.push_back(digits_of(Coordinate::kCol, p_.n)[0]);
    return "";
  }

  const Value* left(const Node& product) const { return product.operand(vector_on_right_ ? 1 : 0); }
  const Value* right(const Node& product) const { return product.operand(vector_on_right_ ? 0 : 1); }
  /// Whether k comes before the rows of A, and behind the columns of B.
  bool k_first_in_a() const { return !vector_on_right_ && transpose_a(); }
  bool k_last_in_b() const { return vector_on_right_ ? !transpose_a() : transpose_b(); }
  bool transpose_a() const { return p_.products[0]->attributes.flag("transpose_a"); }
  bool transpose_b() const { return p_.products[0]->attributes.flag("transpose_b"); }
  bool is_headed(const Value* a) const { return !operand_view(a).has_value(); }

  /// One stride leads from each row to the next over all leading axes.
  static bool rows_are_even(const Value& a) {
    const OperandView view = *operand_view(&a);
    const Shape& shape = a.type().shape;
    int64_t expected = -1;
    for (size_t i = shape.size() - 1; i-- > 0;) {
      if (shape[i] == 1) continue;
      if (expected >= 0 && view.strides[i].value() != expected) return false;
      expected = view.strides[i].value() * shape[i].extent();
    }
    return true;
  }

  std::string read_operands() {
    const Node& product = *p_.products[0];
    p_.a.value = left(product);
    if (is_headed(p_.a.value)) {
      if (std::string reason = read_head(); !reason.empty()) return reason;
    } else if (std::string reason = read_operand(p_.a, k_first_in_a() ? 1 : 0, p_.m); !reason.empty()) {
      return "matmul: its left operand " + reason;
    }
    for (const Node* each : p_.products) {
      ProductOperand b;
      b.value = right(*each);
      if (b.value->node()->op() == Op::kDequantise && is_whole(b.value->node()->operand(0)) &&
          is_whole(b.value->node()->operand(1)))
        b.dequantise = b.value->node();
      else if (!operand_view(b.value))
        return in_the_way(*b.value->node(), "computes the right operand of the product");
      if (std::string reason = read_operand(b, k_last_in_b() ? 0 : 1, p_.n); !reason.empty())
        return "matmul: its right operand " + reason;
      p_.b.push_back(std::move(b));
      if (p_.b.back().bits != p_.b[0].bits || group_of(p_.b.back()) != group_of(p_.b[0]))
        return "matmul: the two products' weights are not quantised alike";
    }
    return "";
  }

  /// Elements that share a scale; 0 where there is none.
  static int64_t group_of(const ProductOperand& operand) {
    return operand.dequantise ? operand.dequantise->attributes.integer("group") : 0;
  }

  /// A parameter or packed value itself, and no view into one.
  static bool is_whole(const Value* value) {
    const std::optional<OperandView> view = operand_view(value);
    return view && view->base == value;
  }

  /// `outer_back`: 1 when the operand's last axis is its row or column and the last but one is k, 0 the other
  /// way round.
  std::string read_operand(ProductOperand& operand, int outer_back, const Dim& outer_extent) const {
    const Shape& shape = operand.value->type().shape;
    operand.bits = static_cast<int>(8 * size_of(p_.dtype));
    if (operand.dequantise) {
      const Value* integers = operand.dequantise->operand(0);
      operand.view = {integers, 0, row_major(shape)};
      operand.bits = integers->type().dtype == DType::kU8 ? 4 : 8;
    } else {
      operand.view = *operand_view(operand.value);
    }
    const std::vector<Extent>& strides = operand.view.strides;
    const size_t rank = shape.size();
    if (rank == 1) {  // one line, or lines of one element
      operand.along_k = p_.k == 1 || strides[0].value() == 1;
      operand.line_stride = operand.along_k ? Extent(p_.k) : strides[0];
      operand.batch_strides.assign(p_.batch.size(), Extent(0));
      operand.copy_bytes = alignment_of(operand);
      return "";
    }
    const size_t outer_axis = rank - (outer_back ? 1 : 2), k_axis = rank - (outer_back ? 2 : 1);
    size_t line_axis = outer_axis;  // the row coordinate's innermost axis of more than one element
    if (p_.batch.empty() && &operand == &p_.a)
      while (line_axis > 0 && shape[line_axis] == 1) --line_axis;
    const bool k_steps = p_.k != 1, outer_steps = outer_extent != 1;
    if (!k_steps || strides[k_axis].value() == 1) {
      operand.along_k = true;
      operand.line_stride = outer_steps ? strides[line_axis] : Extent(p_.k);
    } else if (!outer_steps || strides[line_axis].value() == 1) {
      operand.along_k = false;
      operand.line_stride = strides[k_axis];
    } else {
      return "has no axis of neighbouring elements";
    }
    for (size_t i = 0; i < p_.batch.size(); ++i) {  // aligned from the right
      const size_t from_right = p_.batch.size() - i;
      const bool present = rank >= 2 + from_right && shape[rank - 2 - from_right] != 1;
      operand.batch_strides.push_back(present ? strides[rank - 2 - from_right] : Extent(0));
    }
    operand.copy_bytes = alignment_of(operand);
    return "";
  }

  static int alignment_of(const ProductOperand& operand) {
    int64_t alignment = operand.line_stride.value() | operand.view.offset.value() | 32;
    for (const Extent& stride : operand.batch_strides) alignment |= stride.value();
    const int64_t bytes = (alignment & -alignment) * operand.bits / 8;
    return static_cast<int>(std::min<int64_t>(bytes, 16));
  }

  std::string read_head() {
    if (k_first_in_a()) return in_the_way(*p_.a.value->node(), "computes a transposed left operand");
    const auto visit = [&](const auto& self, const Value* value) -> std::string {
      const Node& node = *value->node();
      if (is_uniform(value) || operand_view(value) || llvm::is_contained(p_.head, &node)) return "";
      if (!is_elementwise(node.op()))
        return in_the_way(node, "is not elementwise and computes the left operand");
      for (const Value* operand : node.operands())
        if (std::string reason = self(self, operand); !reason.empty()) return reason;
      p_.head.push_back(&node);
      return "";
    };
    p_.a.line_stride = Extent(p_.k);
    p_.a.batch_strides.assign(p_.batch.size(), Extent(0));
    return visit(visit, p_.a.value);
  }

  std::string read_tail() {
    for (const Node* product : p_.products) p_.values[product->result()] = {product_map_, 0, p_.n};
    for (const Node& node : region_.body->nodes()) {
      if (node.kind() == OpKind::kSource || is_known(node)) continue;
      if (node.op() == Op::kMoments) {
        if (std::string reason = read_moments(node); !reason.empty()) return reason;
        continue;
      }
      if (llvm::none_of(node.operands(), [&](const Value* v) { return !is_leaf(p_, v); })) {
        if (!is_loadable(node.result())) return in_the_way(node, "is not elementwise");
        continue;
      }
      if (std::string reason = read_tail_node(node); !reason.empty()) return reason;
      p_.tail.push_back(&node);
    }
    return "";
  }

  /// Packed, a product, or part of the head.
  bool is_known(const Node& node) const {
    return (node.result_count() == 1 && is_packed(node.result())) || llvm::is_contained(p_.products, &node) ||
           llvm::any_of(p_.b, [&](const ProductOperand& b) { return b.dequantise == &node; }) ||
           llvm::is_contained(p_.head, &node);
  }

  std::string read_moments(const Node& node) {
    const Value* x = node.operand(0);
    if (p_.moments || x != p_.a.value || p_.has_head() || !p_.batch.empty() || vector_on_right_ ||
        product_map_.empty())
      return in_the_way(node, "is not of the left operand's own rows");
    if (normalise_axis(node.attributes.integer("axis"), x->type().rank(), node.location) !=
        x->type().rank() - 1)
      return in_the_way(node, "spans more than the summed axis");
    p_.moments = &node;
    DigitMap rows = product_map_;
    rows.back().clear();
    for (int i = 0; i < 2; ++i) p_.values[node.result(i)] = {rows, 0, p_.n, true};
    return "";
  }

  std::string read_tail_node(const Node& node) {
    if (node.op() == Op::kCacheWrite) return read_cache_write(node);
    if (is_elementwise(node.op())) return read_elementwise(node);
    if (is_leaf(p_, node.operand(0))) return in_the_way(node, "moves what does not come from the product");
    const TailValue from = p_.values.find(node.operand(0))->second;
    TailValue to = from;
    switch (node.op()) {
      case Op::kTranspose: {
        const Extents perm = node.attributes.integers("perm");
        for (size_t i = 0; i < perm.size(); ++i) to.map[i] = from.map[perm[i]];
        break;
      }
      case Op::kReshape: {
        std::optional<DigitMap> map = reshaped(from.map, node.type().shape);
        if (!map) return in_the_way(node, "to " + node.type().text() + " cuts an axis unevenly");
        to.map = std::move(*map);
        break;
      }
      case Op::kSlice: return read_slice(node, from);
      case Op::kRmsnorm: return read_head_norm(node, from);
      case Op::kRope: return read_rope(node, from);
      default: return in_the_way(node, "cannot join a product's epilogue");
    }
    p_.values[node.result()] = std::move(to);
    return "";
  }

  std::string read_cache_write(const Node& node) {
    const Value *cache = node.operand(0), *fresh = node.operand(1), *position = node.operand(2);
    if (cache->node()->op() != Op::kParameter || is_leaf(p_, fresh) || !node.result()->users().empty())
      return in_the_way(node, "does not end its chain");
    if (!is_leaf(p_, position) || !operand_view(position)) return in_the_way(node, "has a computed position");
    if (const Value* pages = optional_operand(node, "pages");
        pages && (!is_leaf(p_, pages) || !operand_view(pages)))
      return in_the_way(node, "has a computed table of pages");
    const TailValue from = p_.values.find(fresh)->second;
    p_.values[node.result()] = from;
    return "";
  }

  std::string read_slice(const Node& node, const TailValue& from) {
    const int64_t axis =
        normalise_axis(node.attributes.integer("axis"), node.operand(0)->type().rank(), node.location);
    TailValue to = from;
    auto& digits = to.map[axis];
    if (digits.size() != 1 || digits[0].coordinate != Coordinate::kCol || !digits[0].leading ||
        node.attributes.integer("step", 1) != 1)
      return in_the_way(node, "is not of the product's columns");
    const Dim weight = Dim(digits[0].weight.value());
    to.begin = from.begin + node.attributes.dim("start") * weight;
    to.count = node.type().shape[axis] * weight;
    digits[0].extent = node.type().shape[axis];
    if (digits[0].extent == 1) digits.clear();
    p_.values[node.result()] = std::move(to);
    return "";
  }

  /// Heads along the last axis, which tiles must hold whole.
  std::string read_head_of(const Node& node, const TailValue& from) {
    const int64_t head = node.type().shape.back().extent();
    const auto& digits = from.map.back();
    if (digits.size() != 1 || digits[0].coordinate != Coordinate::kCol || digits[0].weight.value() != 1)
      return in_the_way(node, "is not of heads of the product's columns");
    if (from.begin.extent() % head != 0) return in_the_way(node, "begins inside a head");
    p_.head_dim = static_cast<int>(std::lcm<int64_t>(p_.head_dim, head));
    return "";
  }

  std::string read_head_norm(const Node& node, const TailValue& from) {
    const int64_t rank = node.type().rank(), head = node.type().shape.back().extent();
    if (normalise_axis(node.attributes.integer("axis", -1), rank, node.location) != rank - 1)
      return in_the_way(node, "spans more than a head's elements");
    if (std::string reason = read_head_of(node, from); !reason.empty()) return reason;
    for (const Value* weight : node.operands().drop_front())
      if (!is_leaf(p_, weight) || !is_loadable(weight)) return in_the_way(node, "has a computed weight");
    if (depends_on_head_norm(node.operand(0)))
      return in_the_way(node, "is of heads that were normalised before");
    for (const Node* other : p_.head_norms) {
      const TailValue& at = p_.values.find(other->operand(0))->second;
      if (other->type().shape.back() != head)
        return in_the_way(node, "is of heads of " + std::to_string(head) + " beside heads of " +
                                    other->type().shape.back().text());
      if (other->operand(0) != node.operand(0) &&
          at.begin.extent() < from.begin.extent() + from.count.extent() &&
          from.begin.extent() < at.begin.extent() + at.count.extent())
        return in_the_way(node, "is the second of the same columns, of other values");
    }
    p_.head_norms.push_back(&node);
    p_.norm_head = static_cast<int>(head);
    limit_vector(head);
    p_.values[node.result()] = from;
    return "";
  }

  /// Along the tail's nodes so far.
  bool depends_on_head_norm(const Value* value) const {
    const auto visit = [&](const auto& self, const Value* v) -> bool {
      return !is_leaf(p_, v) && v->node()->op() != Op::kMatmul && v->node()->op() != Op::kMoments &&
             (llvm::is_contained(p_.head_norms, v->node()) ||
              llvm::any_of(v->node()->operands(), [&](const Value* operand) { return self(self, operand); }));
    };
    return visit(visit, value);
  }

  std::string read_rope(const Node& node, const TailValue& from) {
    const Dim head_dim = node.type().shape.back();
    if (std::string reason = read_head_of(node, from); !reason.empty()) return reason;
    if (node.type().rank() != 4) return in_the_way(node, "is not of heads of the product's columns");
    for (const Value* operand : node.operands().drop_front())
      if (!is_leaf(p_, operand) || !operand_view(operand)) return in_the_way(node, "has a computed position");
    const int64_t half = node.attributes.integer("rotary_dim", head_dim.extent()) / 2;
    limit_vector(half > 0 ? (node.attributes.flag("interleaved") ? 2 * half : half) : 8);
    if (p_.vector < 2 && node.attributes.flag("interleaved"))
      return in_the_way(node, "mixes pairs that lie apart");
    p_.values[node.result()] = from;
    return "";
  }

  std::string read_elementwise(const Node& node) {
    const TailValue* full = nullptr;  // of an operand of the result's own shape
    bool per_row = true;
    for (const Value* operand : node.operands()) {
      if (is_leaf(p_, operand)) {
        if (!is_loadable(operand))
          return in_the_way(*operand->node(), "is read by the epilogue and is not elementwise");
        continue;
      }
      const TailValue& from = p_.values.find(operand)->second;
      per_row &= from.per_row;
      if (operand->type().shape != node.type().shape) continue;
      if (full && (full->begin != from.begin || !same_map(full->map, from.map)))
        return in_the_way(node, "joins elements of different places");
      full = &from;
    }
    TailValue to{product_map_, 0, p_.n};
    if (full)
      to = *full;
    else if (node.type().shape != p_.products[0]->type().shape)  // else statistics meet a vector of columns
      return in_the_way(node, "widens rows to " + node.type().text());
    to.per_row = full && per_row;
    p_.values[node.result()] = std::move(to);
    return "";
  }

  /// Columns that an epilogue call handles must not leave a run of `columns`.
  void limit_vector(int64_t columns) {
    while (columns % p_.vector != 0) p_.vector /= 2;
  }

  std::string read_outputs() {
    p_.vector = std::min<int>(p_.vector, p_.dtype == DType::kF32 ? 4 : 8);
    bool segments = false;
    for (const auto& [value, tail] : p_.values) {
      segments |= tail.count != p_.n;
      for (const auto& axis : tail.map)
        for (const Digit& digit : axis)
          if (digit.coordinate == Coordinate::kCol && !digit.leading)
            limit_vector(digit.extent.extent() * digit.weight.value());
      limit_vector(tail.begin.extent());
      for (const auto& axis : tail.map)
        for (const Digit& digit : axis)
          if (digit.coordinate == Coordinate::kCol && digit.weight.value() != 1)
            limit_vector(digit.weight.value());
    }
    if (segments)
      for (const auto& [value, tail] : p_.values) limit_vector(tail.count.extent());
    for (const Graph::Output& output : region_.body->outputs())
      if (is_leaf(p_, output.value))
        return in_the_way(*output.value->node(), "is an output that does not come from the product");
    return "";
  }

  const Region& region_;
  ProductProblem& p_;
  DigitMap product_map_;
  bool vector_on_right_ = false;
};

}  // namespace

std::string analyse_product(const Region& region, ProductProblem& problem) {
  return ProductReader(region, problem).read();
}

}  // namespace tenon
