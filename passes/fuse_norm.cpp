// fuse_norm.cpp: folds a norm into the product that reads it: weights scaled (and centred) at load,
// statistics in the epilogue.
//
// rmsnorm:   y = rstd · (x (W·diag γ)ᵀ)
// layernorm: y = rstd · (x W''ᵀ − μ·u) + (β Wᵀ), with W'' = (W·diag γ)(I − 11ᵀ/K) rounded to the weight's
// type and u its column
//            sums: in exact arithmetic u is 0 before rounding, so no large cancellation is left, whatever
//            |μ|/σ is.
#include "ir/builder.h"
#include "passes/passes.h"

namespace tenon {
namespace {

constexpr char kProposer[] = "fuse_norm";

/// One norm and the products that read it, within a body.
struct Folding {
  explicit Folding(Graph& whole) : body(whole) {}
  Graph& body;
  Node* norm = nullptr;
  llvm::SmallVector<Node*, 2> products;
  Value* mean = nullptr;
  Value* rstd = nullptr;

  /// Norms of heads read what products make.
  static bool feeds_product(const Node& node) {
    return llvm::any_of(node.result()->users(), [](const Node* user) { return user->op() == Op::kMatmul; });
  }
  bool layernorm() const { return norm->op() == Op::kLayernorm; }

  std::string find() {
    for (Node& node : body.nodes())
      if ((node.op() == Op::kLayernorm || node.op() == Op::kRmsnorm) && feeds_product(node)) norm = &node;
    int64_t rank = norm->type().rank();
    if ((norm->attributes.integer("axis", -1) + rank) % rank != rank - 1)
      return "the norm spans more than the last axis";
    if (norm->result()->is_result()) return "its result is also needed elsewhere";
    for (Node* user : norm->result()->users()) {
      if (user->op() != Op::kMatmul || user->operand(0) != norm->result())
        return "the norm's result is also read by " + name_of(user->op()).str();
      Value* weight = user->operand(1);
      if (weight->node()->op() == Op::kDequantise)
        return "the product's weight is quantised: its integers cannot take the norm's factors";
      if (!is_weight_parameter(weight) && !is_packed(weight))
        return "the product's right operand is no weight";
      if (weight->type().rank() != 2) return "the product's weight is not two-dimensional";
      products.push_back(user);
    }
    for (llvm::StringRef flag : {"weight", "bias"})
      if (Value* v = optional_operand(*norm, flag); v && !is_weight_parameter(v) && !is_packed(v))
        return "the norm's " + flag.str() + " is no weight";
    return "";
  }

  void make_moments() {
    Builder builder = Builder::before(norm);
    Node* moments = builder.make_node(
        Op::kMoments, {norm->operand(0)},
        {{"axis", Dim(-1)}, {"eps", norm->attributes.number("eps")}, {"rms", !layernorm()}});
    mean = moments->result(0);
    rstd = moments->result(1);
    if (layernorm()) mean->set_name("mean");
    rstd->set_name("rstd");
  }

  void fold(Node* product) {
    Builder builder = Builder::before(product);
    bool rows = product->attributes.flag("transpose_b");  // weight [N, K], else [K, N]
    int64_t k_axis = rows ? 1 : 0;
    Value* weight = product->operand(1);
    DType dtype = weight->type().dtype;
    auto along_k = [&](Value* v) {  // [K] as a factor of the weight
      v = builder.cast(v, DType::kF32);
      return rows ? v : builder.reshape(v, {weight->type().shape[0], Dim(1)});
    };
    Value* wide = builder.cast(weight, DType::kF32);
    Value *gamma = optional_operand(*norm, "weight"), *beta = optional_operand(*norm, "bias");
    Value* scaled = gamma ? builder.make(Op::kMul, {wide, along_k(gamma)}) : wide;
    if (layernorm())
      scaled = builder.make(Op::kSub, {scaled, builder.reduce(Op::kMean, scaled, {k_axis}, true)});
    Value* folded = builder.cast(scaled, dtype);
    folded->set_name("w_folded");

    Attributes attributes = product->attributes;
    attributes.set("wide", true);
    Value* y = builder.make(Op::kMatmul, {norm->operand(0), folded}, std::move(attributes));
    if (layernorm()) {
      Value* sums = builder.reduce(Op::kSum, builder.cast(folded, DType::kF32), {k_axis}, false);
      sums->set_name("w_sums");
      y = builder.make(Op::kSub, {y, builder.make(Op::kMul, {mean, sums})});
    }
    y = builder.make(Op::kMul, {y, rstd});
    if (beta) {
      Value* shift = builder.reduce(Op::kSum, builder.make(Op::kMul, {wide, along_k(beta)}), {k_axis}, false);
      shift->set_name("b_folded");
      y = builder.make(Op::kAdd, {y, shift});
    }
    body.replace_all_uses(product->result(), builder.cast(y, product->type().dtype));
    body.erase(product);
  }
};

}  // namespace

std::string fold_norm(Graph& body) {
  Folding folding(body);
  std::string obstacle = folding.find();
  if (!obstacle.empty()) return obstacle;
  folding.make_moments();
  for (Node* product : folding.products) folding.fold(product);
  body.erase(folding.norm);
  return "";
}

void fuse_norm(Proposals& proposals) {
  for (Node& norm : proposals.graph.nodes()) {
    if (norm.op() != Op::kLayernorm && norm.op() != Op::kRmsnorm) continue;
    auto products = proposals.sibling_products(norm.result());
    if (products.size() > 1) continue;  // fuse_qkv and fuse_gated fold it into the joined products
    if (products.empty() || !norm.result()->only_used_by(products[0])) {
      if (!products.empty())
        proposals.near_miss(
            norm, "norm + product",
            "the norm's result is also read by something that is no product, so it must be written anyway");
      continue;
    }
    const auto tail = grow_tail(proposals, {products[0]}),
               normed = grow_tail(proposals, {products[0]}, HeadNorms::kTaken);
    const std::string note = name_of(norm.op()).str() + " folded into the product";
    const auto offer = [&](llvm::ArrayRef<Node*> more, const char* what) {
      llvm::SmallVector<Node*, 16> nodes{&norm, products[0]};
      nodes.append(more.begin(), more.end());
      return proposals.offer(Pattern::kProduct, nodes, kProposer, note + what, fold_norm);
    };
    std::string obstacle = offer({}, "");
    if (obstacle.empty() && !tail.empty()) obstacle = offer(tail, " and its tail");
    if (!obstacle.empty())
      proposals.near_miss(norm, "norm + product", std::move(obstacle));
    else if (normed.size() > tail.size())
      offer(normed, " and its tail with head norms");
  }
}

}  // namespace tenon
