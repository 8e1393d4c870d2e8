// attention_site.h: an attention region read into plain data: operands by strides, mask, offset, scale.
#pragma once
#include <optional>
#include <string>

#include "codegen/strided_view.h"
#include "passes/region.h"

namespace tenon {

/// What an attention kernel must know of its region. Views have the axes [batch, head, token, head_dim] and a
/// last stride of 1; the mask's are [batch, head, query, key], 0 where it broadcasts.
struct AttentionSite {
  const Node* node = nullptr;
  DType dtype = DType::kBF16;
  Dim batch, queries, keys;
  int heads = 0, kv_heads = 0, head_dim = 0;
  StridedView q, k, v, out;
  std::optional<StridedView> mask;
  bool additive_mask = false;
  bool causal = false;
  std::optional<StridedView> offset;  ///< of a tensor: rank 0, or one for each batch row
  int64_t fixed_offset = 0;           ///< where `offset` is none
  double scale = 1;
  bool aligned = true;  ///< rows begin at multiples of 16 bytes, for every binding of the dims

  int group() const { return heads / kv_heads; }
  /// The keys that the query sees, masks aside. With an offset from a tensor: as of a full cache.
  int64_t visible_keys(int64_t query) const;
};

/// Reads the region; returns "" or the reason why no attention kernel of this generation takes it.
std::string read_attention(const Region& region, AttentionSite& site);

}  // namespace tenon
