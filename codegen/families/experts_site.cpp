// experts_site.cpp: what stands in a region of chosen experts.
#include "codegen/families/experts_site.h"

#include "codegen/expression_printer.h"

namespace tenon {
namespace {

bool is_leaf(const Value* value) { return value->node()->op() == Op::kParameter || is_packed(value); }

// The types that kernels multiply.
bool is_computed(DType type) { return type == DType::kF32 || type == DType::kBF16 || type == DType::kF16; }

struct Reader {
  const Region& region;
  ExpertsSite& site;
  std::vector<const Node*> consumed;  // nodes that the sum stands for

  std::string read_products() {
    for (const Node& node : region.body->nodes())
      if (node.op() == Op::kGroupedMatmul && !is_packed(node.result())) site.products.push_back(&node);
    if (site.products.empty() || site.products.size() > 2) return "no product of chosen experts, or several";
    const Node& first = *site.products[0];
    site.x = first.operand(0), site.ids = first.operand(2);
    for (const Node* product : site.products) {
      if (product->operand(0) != site.x || product->operand(2) != site.ids)
        return "the products have different rows or choices";
      for (const Value* operand : product->operands())
        if (!is_leaf(operand)) return name_of(operand->node()->op()).str() + " before the experts' product";
    }
    return read_extents(first);
  }

  std::string read_extents(const Node& product) {
    const Type &x = site.x->type(), &w = product.operand(1)->type(), &ids = site.ids->type();
    site.dtype = x.dtype;
    if (!is_computed(site.dtype)) return "experts in " + name_of(site.dtype).str();
    for (const Dim& dim : w.shape)
      if (dim.dynamic()) return "the experts' extents must be fixed dims";
    site.experts = w.shape[0].extent(), site.columns = w.shape[1].extent(), site.depth = w.shape[2].extent();
    if (site.experts == 0) return "there are no experts";
    if (std::max({site.experts, site.columns, site.depth}) > INT32_MAX) return "an extent beyond 2^31";
    site.own_row = x.rank() > ids.rank();
    site.choices = ids.shape.back();
    site.rows = 1;
    for (const Dim& dim : llvm::ArrayRef<Dim>(ids.shape).drop_back()) site.rows = site.rows * dim;
    return "";
  }

  /// The factors behind casts and reshapes: a leaf with one number for each choice.
  std::string read_factors(const Value* factor) {
    while (!is_leaf(factor)) {
      const Node& node = *factor->node();
      if (node.op() != Op::kReshape && node.op() != Op::kCast)
        return name_of(node.op()).str() + " makes the choices' weights";
      consumed.push_back(&node);
      factor = node.operand(0);
    }
    if (!is_computed(factor->type().dtype)) return "the choices' weights are " + factor->type().text();
    if (factor->type().elements() != site.ids->type().elements())
      return "the choices' weights " + factor->type().text() + " are not one for each choice";
    site.factors = factor;
    return "";
  }

  std::string read_sum() {
    for (const Node& node : region.body->nodes())
      if (node.op() == Op::kSum) site.sum = &node;
    if (!site.sum) return "";
    if (site.products.size() > 1) return "a sum over the choices of two products";
    const Node& product = *site.products[0];
    const Node& weighted = *site.sum->operand(0)->node();
    if (weighted.op() != Op::kMul) return "the sum is not of weighted results";
    consumed = {&product, site.sum, &weighted};
    for (int side : {0, 1}) {
      const Value* result = weighted.operand(side);
      const Node& cast = *result->node();
      if (cast.op() == Op::kCast && cast.operand(0) == product.result()) {
        consumed.push_back(&cast);
        result = cast.operand(0);
      }
      if (result == product.result()) return read_factors(weighted.operand(1 - side));
    }
    return "the sum is not of the product's results";
  }

  std::string read_tail() {
    if (region.body->outputs().size() != 1) return "several results of the experts";
    site.out = region.body->outputs()[0].value;
    std::vector<const Node*> inside = site.sum ? std::vector<const Node*>{site.sum} : site.products;
    const Shape& shape = site.start(0)->type().shape;
    for (const Node& node : region.body->nodes()) {
      if (is_leaf(node.result()) || node.op() == Op::kConstant || llvm::is_contained(consumed, &node) ||
          llvm::is_contained(inside, &node))
        continue;
      if (!is_elementwise(node.op()) || node.type().shape != shape)
        return name_of(node.op()).str() + " after the experts' product";
      for (const Value* operand : node.operands())
        if (!is_uniform(operand) && !llvm::is_contained(inside, operand->node()) &&
            !(is_leaf(operand) && operand->type().shape == shape))
          return name_of(node.op()).str() + " reads " + operand->type().text() + " beside the experts";
      site.tail.push_back(&node);
      inside.push_back(&node);
    }
    return llvm::is_contained(inside, site.out->node()) ? "" : "the result is not the experts'";
  }
};

}  // namespace

std::string read_experts(const Region& region, ExpertsSite& site) {
  Reader reader{region, site, {}};
  std::string why = reader.read_products();
  if (why.empty()) why = reader.read_sum();
  return why.empty() ? reader.read_tail() : why;
}

}  // namespace tenon
