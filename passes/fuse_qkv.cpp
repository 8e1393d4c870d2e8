// fuse_qkv.cpp: offers products of one left operand as one product of their weights side by side.
#include "ir/builder.h"
#include "passes/passes.h"

namespace tenon {
namespace {

constexpr char kProposer[] = "fuse_qkv";

std::string words(llvm::ArrayRef<Node*> products, llvm::ArrayRef<Node*> tail) {
  std::string text = std::to_string(products.size()) + " products as one";
  constexpr std::pair<Op, const char*> kParts[] = {{Op::kTranspose, " + head split"},
                                                   {Op::kRmsnorm, " + head norm"},
                                                   {Op::kRope, " + rope"},
                                                   {Op::kCacheWrite, " + cache write"}};
  for (const auto& [op, part] : kParts)
    if (llvm::any_of(tail, [op = op](const Node* node) { return node->op() == op; })) text += part;
  return text;
}

std::string join_and_fold(Graph& body) {
  std::string obstacle = join_products(body);
  return obstacle.empty() ? fold_norm(body) : obstacle;
}

/// Weights one after another along `axis`. Of quantised ones the integers are, and their scales; null where they
/// are not quantised alike.
Value* concat_weights(Builder& builder, llvm::ArrayRef<Value*> weights, int64_t axis) {
  const Node& first = *weights[0]->node();
  const bool quantised = first.op() == Op::kDequantise;
  llvm::SmallVector<Value*, 4> parts[2];
  for (Value* weight : weights) {
    const Node& node = *weight->node();
    if (node.op() != first.op() && (quantised || node.op() == Op::kDequantise)) return nullptr;
    if (quantised && (node.attributes != first.attributes ||
                      node.operand(0)->type().dtype != first.operand(0)->type().dtype))
      return nullptr;
    parts[0].push_back(quantised ? weight->node()->operand(0) : weight);
    if (quantised) parts[1].push_back(weight->node()->operand(1));
  }
  const auto concat = [&](llvm::ArrayRef<Value*> all, llvm::StringRef name) {
    Value* joined = builder.make(Op::kConcat, all, {{"axis", Dim(axis)}});
    joined->set_name(name);
    return joined;
  };
  Value* joined = concat(parts[0], "w");
  if (!quantised) return joined;
  return builder.make(Op::kDequantise, {joined, concat(parts[1], "w_scale")}, first.attributes);
}

/// Offers the products of one left operand with this tail, and with the norm before them. Returns "" or why the
/// norm cannot join.
std::string offer_joined(Proposals& proposals, Node& left, llvm::ArrayRef<Node*> products,
                         llvm::ArrayRef<Node*> tail) {
  if (products_meet(products, tail)) return "";
  llvm::SmallVector<Node*, 16> nodes(products.begin(), products.end());
  nodes.append(tail.begin(), tail.end());
  std::string note = words(products, tail);
  proposals.offer(Pattern::kProduct, nodes, kProposer, note, join_products);
  if (left.op() != Op::kLayernorm && left.op() != Op::kRmsnorm) return "";
  nodes.push_back(&left);
  return proposals.offer(Pattern::kProduct, nodes, kProposer,
                         name_of(left.op()).str() + " folded into " + note, join_and_fold);
}

}  // namespace

std::string join_products(Graph& body) {
  llvm::SmallVector<Node*, 4> products;
  for (Node& node : body.nodes())
    if (node.op() == Op::kMatmul) products.push_back(&node);
  Builder builder = Builder::before(products[0]);
  llvm::SmallVector<Value*, 4> weights;
  for (Node* product : products) weights.push_back(product->operand(1));
  // What is packed for a later product may stand after the first product; it depends on weights alone, so it
  // moves.
  for (Node& node :
       llvm::make_early_inc_range(llvm::make_range(products[0]->getIterator(), body.nodes().end())))
    if (node.result_count() == 1 && is_packed(node.result())) body.move_before(&node, products[0]);
  bool rows = products[0]->attributes.flag("transpose_b");
  Value* weight = concat_weights(builder, weights, rows ? 0 : 1);
  if (!weight) return "the products' weights are not quantised alike";
  Value* product = builder.make(Op::kMatmul, {products[0]->operand(0), weight}, products[0]->attributes);
  Dim start = 0;
  for (Node* old : products) {
    Dim columns = old->type().shape.back();
    Value* slice = builder.slice(product, old->type().rank() - 1, start, columns);
    body.replace_all_uses(old->result(), slice);
    start = start + columns;
  }
  for (Node* old : products) body.erase(old);
  for (Value* old : weights)
    if (old->node()->op() == Op::kDequantise && old->unused()) body.erase(old->node());
  return "";
}

void fuse_qkv(Proposals& proposals) {
  for (Node& node : proposals.graph.nodes()) {
    auto products = proposals.sibling_products(node.result());
    if (products.size() < 2) continue;
    proposals.sort(products);
    const auto tail = grow_tail(proposals, products);
    std::string obstacle = offer_joined(proposals, node, products, tail);
    if (!obstacle.empty()) proposals.near_miss(node, "norm + product", std::move(obstacle));
    const auto normed = grow_tail(proposals, products, HeadNorms::kTaken);
    if (normed.size() > tail.size()) offer_joined(proposals, node, products, normed);
  }
}

}  // namespace tenon
