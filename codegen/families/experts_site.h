// experts_site.h: a region of chosen experts read into plain data: operands, what becomes of the products.
#pragma once
#include <string>
#include <vector>

#include "passes/region.h"

namespace tenon {

/// What an experts kernel must know of its region. With a sum, the tail begins at the weighted sum of each
/// row's choices, else at the products of each choice.
struct ExpertsSite {
  std::vector<const Node*> products;  ///< one, or two of one left operand that meet in the tail
  const Node* sum = nullptr;          ///< over the choices, of the one product's results by `factors`
  const Value* factors = nullptr;     ///< one for each choice
  std::vector<const Node*> tail;      ///< elementwise nodes of the result's shape, in order
  const Value* out = nullptr;
  const Value *x = nullptr, *ids = nullptr;
  Dim rows, choices;  ///< choices: of each row
  int64_t experts = 0, columns = 0, depth = 0;
  bool own_row = false;  ///< x has a row for each choice
  DType dtype = DType::kBF16;

  Dim all_choices() const { return rows * choices; }
  /// The value that starts the tail, of each product or of the sum.
  const Value* start(size_t product) const { return sum ? sum->result() : products[product]->result(); }
};

/// Reads the region; returns "" or the reason why no experts kernel takes it.
std::string read_experts(const Region& region, ExpertsSite& site);

}  // namespace tenon
