// attention_site.cpp: what stands in an attention region.
#include "codegen/families/attention_site.h"

#include <algorithm>
#include <cmath>

#include "ir/print.h"
#include "passes/attention_operands.h"

namespace tenon {
namespace {

bool is_leaf(const Value* value) { return value->node()->op() == Op::kParameter || is_packed(value); }

/// A view of a parameter or packed value; on failure says what is in the way of `role`.
std::string read_view(const Value* value, llvm::StringRef role, StridedView& view) {
  const Node* obstacle = nullptr;
  auto found = view_of(value, &obstacle);
  if (!found) return role.str() + ": strides cannot express this " + name_of(obstacle->op()).str();
  if (!is_leaf(found->base))
    return role.str() + " is computed by " + name_of(found->base->node()->op()).str() + " in the same region";
  view = *found;
  return "";
}

bool is_one(const Dim& dim) { return !dim.dynamic() && dim.extent() == 1; }

std::string read_operand(const Value* value, llvm::StringRef role, StridedView& view) {
  std::string why = read_view(value, role, view);
  if (why.empty() && !is_one(view.strides[3]))
    why = role.str() + ": the elements of a head do not lie side by side";
  return why;
}

/// k or v: a view, or the pages of a pool.
std::string read_keys(const Value* value, llvm::StringRef role, StridedView& view,
                      std::optional<PageTable>& pages) {
  const Node* gather = gathered_pages(value);
  if (!gather) return read_operand(value, role, view);
  const Value *pool = gather->operand(0), *table = gather->operand(1);
  PageTable found;
  found.pool = pool->type().shape[0], found.count = table->type().shape[1];
  if (pool->type().shape[2].dynamic()) return role.str() + ": pages must be of a fixed dim";
  found.page = static_cast<int>(pool->type().shape[2].extent());
  std::string why = read_view(table, (role + "'s table of pages").str(), found.table);
  if (why.empty()) why = read_operand(pool, role, view);
  pages = found;
  return why;
}

/// One kernel reads k and v alike.
std::string differing_pages(const AttentionSite& site) {
  const auto &k = site.k_pages, &v = site.v_pages;
  if (!k && !v) return "";
  const bool alike =
      k && v && k->page == v->page && k->table.base->type().dtype == v->table.base->type().dtype;
  return alike ? "" : "k and v do not lie in pages of one size, named by tables of one type";
}

/// Strides over [batch, head, query, key]; an axis that the mask lacks, or has once, stands still.
std::string read_mask(const Value* value, AttentionSite& site) {
  StridedView view;
  if (std::string why = read_view(value, "mask", view); !why.empty()) return why;
  Shape strides(4, Dim(0));
  llvm::ArrayRef<Dim> shape = value->type().shape;
  for (size_t i = 0; i < shape.size(); ++i)
    if (!is_one(shape[i])) strides[4 - shape.size() + i] = view.strides[i];
  view.strides = strides;
  site.mask = view;
  site.additive_mask = value->type().dtype != DType::kBool;
  return "";
}

std::string read_offset(const Value* value, AttentionSite& site) {
  if (is_scalar_constant(value)) {
    site.fixed_offset = static_cast<int64_t>(value->node()->attributes.number("value"));
    return "";
  }
  StridedView view;
  std::string why = read_view(value, "offset", view);
  if (why.empty()) site.offset = view;
  return why;
}

/// alibi or sinks, one number for each query head.
std::string read_head_numbers(const Node& node, llvm::StringRef role, std::optional<StridedView>& numbers) {
  const Value* value = optional_operand(node, role);
  if (!value) return "";
  const DType dtype = value->type().dtype;
  if (dtype != DType::kBF16 && dtype != DType::kF16 && dtype != DType::kF32)
    return role.str() + " in " + name_of(dtype).str();
  StridedView view;
  std::string why = read_view(value, role, view);
  if (why.empty()) numbers = view;
  return why;
}

/// Numbers of heads and dims, of which kernels are made.
std::string read_extents(const Node& node, AttentionSite& site) {
  const Type &q = node.operand(0)->type(), &k = node.operand(1)->type(), &v = node.operand(2)->type();
  for (const Dim* dim : {&q.shape[1], &k.shape[1], &q.shape[3], &v.shape[3]})
    if (dim->dynamic()) return "the number of heads and head_dim must be fixed dims";
  if (k.shape[1].extent() == 0) return "attention has no heads";
  site.batch = q.shape[0], site.queries = q.shape[2], site.keys = k.shape[2];
  site.heads = static_cast<int>(q.shape[1].extent()), site.kv_heads = static_cast<int>(k.shape[1].extent());
  site.head_dim = static_cast<int>(q.shape[3].extent());
  site.head_dim_v = static_cast<int>(v.shape[3].extent());
  return "";
}

/// Whether every row of the view begins at a multiple of `elements`.
bool is_aligned(const StridedView& view, int64_t elements) {
  bool aligned = known_factor(view.offset) % elements == 0;
  for (int axis = 0; axis < 3; ++axis) aligned &= known_factor(view.strides[axis]) % elements == 0;
  return aligned;
}

std::string read_place(const Region& region, AttentionSite& site) {
  if (region.body->outputs().size() != 1) return "attention in the region has more than one reader";
  auto place = place_in(site.node->result(), region.body->outputs()[0].value);
  if (!place) return "what follows attention is no transpose and reshape that strides express";
  site.out = *place;
  return is_one(site.out.strides[3]) ? "" : "the elements of a head do not lie side by side in the output";
}

/// The query's own place among the keys.
int64_t place_of(const AttentionSite& site, int64_t query) {
  const int64_t full = std::max<int64_t>(site.keys.extent() - site.queries.extent(), 0);
  return query + (site.offset ? full : site.fixed_offset);
}

}  // namespace

int64_t AttentionSite::end_key(int64_t query) const {
  return causal ? std::clamp<int64_t>(place_of(*this, query) + 1, 0, keys.extent()) : keys.extent();
}

int64_t AttentionSite::first_key(int64_t query) const {
  return window > 0 ? std::clamp<int64_t>(place_of(*this, query) - window + 1, 0, end_key(query)) : 0;
}

std::string read_attention(const Region& region, AttentionSite& site) {
  for (const Node& node : region.body->nodes())
    if (node.op() == Op::kAttention) site.node = &node;
  if (!site.node) return "no attention in the region";
  const Node& node = *site.node;
  site.dtype = node.operand(0)->type().dtype;
  if (site.dtype != DType::kBF16 && site.dtype != DType::kF16 && site.dtype != DType::kF32)
    return "attention in " + name_of(site.dtype).str();
  site.causal = node.attributes.flag("causal");
  site.window = node.attributes.integer("window");
  site.softcap = node.attributes.number("softcap");

  std::string why = read_extents(node, site);
  if (why.empty()) why = read_operand(node.operand(0), "q", site.q);
  if (why.empty()) why = read_keys(node.operand(1), "k", site.k, site.k_pages);
  if (why.empty()) why = read_keys(node.operand(2), "v", site.v, site.v_pages);
  if (why.empty()) why = differing_pages(site);
  if (const Value* mask = optional_operand(node, "mask"); mask && why.empty()) why = read_mask(mask, site);
  if (const Value* offset = optional_operand(node, "offset"); offset && why.empty())
    why = read_offset(offset, site);
  if (why.empty()) why = read_head_numbers(node, "alibi", site.alibi);
  if (why.empty()) why = read_head_numbers(node, "sinks", site.sinks);
  if (why.empty()) why = read_place(region, site);
  if (!why.empty()) return why;
  site.scale = node.attributes.number("scale", 1 / std::sqrt(static_cast<double>(site.head_dim)));
  const int64_t word = 16 / size_of(site.dtype);
  site.aligned = site.head_dim % word == 0 && site.head_dim_v % word == 0;
  for (const StridedView* view : {&site.q, &site.k, &site.v, &site.out})
    site.aligned &= is_aligned(*view, word);
  return "";
}

}  // namespace tenon
