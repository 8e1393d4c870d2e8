// sites.cpp: roles of nodes, and the matching of policies.
#include "passes/sites.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

namespace tenon {
namespace {

bool is_activation(Op op) {
  return op == Op::kGelu || op == Op::kGeluTanh || op == Op::kSilu || op == Op::kRelu || op == Op::kSigmoid ||
         op == Op::kTanh || op == Op::kLeakyRelu || op == Op::kSoftplus;
}

bool carries(const Node& node) {  // keeps a value's identity on the way to or from an attention or product
  const bool head_norm = node.op() == Op::kRmsnorm && node.type().rank() == 4;  // of [B, heads, T, head_dim]
  return node.kind() == OpKind::kMovement || node.kind() == OpKind::kState || node.op() == Op::kRope ||
         head_norm || is_elementwise(node.op());
}

constexpr int kReach = 12;  // nodes looked at on each side: roles are local

// Searches users (or producers) through carrying nodes for one that satisfies `wanted`.
template <class Wanted>
bool reaches(const Node* from, bool forward, Wanted wanted) {
  llvm::SmallVector<const Node*, 16> waiting{from};
  llvm::DenseSet<const Node*> seen{from};
  for (size_t at = 0; at < waiting.size() && at < kReach; ++at) {
    llvm::SmallVector<const Node*, 4> next;
    if (forward)
      next.append(waiting[at]->result()->users().begin(), waiting[at]->result()->users().end());
    else
      for (const Value* operand : waiting[at]->operands()) next.push_back(operand->node());
    for (const Node* node : next) {
      if (wanted(*node)) return true;
      if (carries(*node) && seen.insert(node).second) waiting.push_back(node);
    }
  }
  return false;
}

// The activation must follow within the product's own elementwise tail.
bool feeds_activation(const Node& product) {
  const Node* at = &product;
  for (int step = 0; step < 3; ++step) {
    for (const Node* user : at->result()->users())
      if (is_activation(user->op())) return true;
    const Node* next = nullptr;
    for (const Node* user : at->result()->users())
      if (is_elementwise(user->op())) next = user;
    if (!next) return false;
    at = next;
  }
  return false;
}

std::string product_role(const Node& node) {
  auto attention = [](const Node& n) { return n.op() == Op::kAttention; };
  if (reaches(&node, true, attention)) return "attn.qkv";
  if (feeds_activation(node)) return "mlp.in";
  // The other half of a gate: a sibling of the same left operand has the activation.
  for (const Node* sibling : node.operand(0)->users())
    if (sibling->op() == Op::kMatmul && sibling->operand(0) == node.operand(0) && feeds_activation(*sibling))
      return "mlp.in";
  if (node.operand(0)->node()->op() == Op::kAttention || reaches(node.operand(0)->node(), false, attention)) {
    if (carries(*node.operand(0)->node()) || attention(*node.operand(0)->node())) return "attn.out";
  }
  if (reaches(node.operand(0)->node(), false,
              [](const Node& n) { return n.op() == Op::kMatmul && feeds_activation(n); }) &&
      carries(*node.operand(0)->node()))
    return "mlp.out";
  return "";
}

bool match_parts(llvm::ArrayRef<llvm::StringRef> pattern, llvm::ArrayRef<llvm::StringRef> parts);

bool match_part(llvm::StringRef pattern, llvm::StringRef part) {
  auto star = pattern.find('*');
  if (star == llvm::StringRef::npos) return pattern == part;
  if (part.size() + 1 < pattern.size() || !part.startswith(pattern.substr(0, star))) return false;
  llvm::StringRef rest = pattern.substr(star + 1);
  for (size_t skip = star; skip <= part.size(); ++skip)
    if (match_part(rest, part.substr(skip))) return true;
  return false;
}

bool match_parts(llvm::ArrayRef<llvm::StringRef> pattern, llvm::ArrayRef<llvm::StringRef> parts) {
  if (pattern.empty()) return true;  // a site's leading parts suffice
  if (parts.empty()) return false;
  if (pattern[0] == "*")  // one part or more
    for (size_t skip = 2; skip <= parts.size(); ++skip)
      if (match_parts(pattern.drop_front(), parts.drop_front(skip))) return true;
  return match_part(pattern[0], parts[0]) && match_parts(pattern.drop_front(), parts.drop_front());
}

}  // namespace

std::string role_of(const Node& node) {
  if (node.op() == Op::kAttention) return "attn";
  if (node.op() == Op::kGroupedMatmul)
    return llvm::any_of(node.operand(0)->users(),
                        [](const Node* n) { return n->op() == Op::kGroupedMatmul && feeds_activation(*n); })
               ? "experts.in"
               : "experts.out";
  std::string role = node.op() == Op::kMatmul ? product_role(node) : "";
  if (!role.empty()) return role;
  llvm::StringRef name = node.result()->name();
  return name.empty() ? name_of(node.op()).str() : name.str();
}

void name_sites(std::vector<Region>& regions) {
  llvm::DenseMap<const Node*, std::string> site_of;  // of principal nodes
  llvm::StringMap<int> taken;
  for (Region& region : regions) {
    const Node* node = principal(region.nodes);
    std::string& site = site_of[node];
    if (site.empty()) {
      site = (node->scope().empty() ? "" : node->scope().str() + ".") + role_of(*node);
      if (int count = ++taken[site]; count > 1) site += "." + std::to_string(count);
    }
    region.site = site;
  }
}

bool site_matches(llvm::StringRef pattern, llvm::StringRef site) {
  llvm::SmallVector<llvm::StringRef, 8> pattern_parts, parts;
  pattern.split(pattern_parts, '.');
  site.split(parts, '.');
  return match_parts(pattern_parts, parts);
}

std::set<std::string> patterns_of(llvm::StringRef site) {
  std::set<std::string> patterns;
  std::string pattern;
  for (llvm::StringRef part : llvm::split(site, '.')) {
    pattern += (pattern.empty() ? "" : ".") + (llvm::all_of(part, llvm::isDigit) ? "*" : part.str());
    if (pattern.back() != '*') patterns.insert(pattern);
  }
  return patterns;
}

std::string without_repetitions(llvm::StringRef site) {
  llvm::SmallVector<llvm::StringRef, 8> parts;
  site.split(parts, '.');
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    bool repetition =
        i > 0 && i + 1 < parts.size() && (parts[i] == "*" || llvm::all_of(parts[i], llvm::isDigit));
    if (!repetition) text += (text.empty() ? "" : ".") + parts[i].str();
  }
  return text;
}

}  // namespace tenon
