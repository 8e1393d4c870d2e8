// attention_site.h: an attention region read into plain data: operands by strides, what changes the scores,
// scale.
#pragma once
#include <optional>
#include <string>

#include "codegen/strided_view.h"
#include "passes/region.h"

namespace tenon {

/// Keys or values in pages of a pool, of which the table [batch, page of the row] names those of each row.
struct PageTable {
  StridedView table;
  int page = 0;  ///< tokens of one
  Dim pool;      ///< pages
  Dim count;     ///< pages of a row
};

/// What an attention kernel must know of its region. Views have the axes [batch, head, token, head_dim] and a
/// last stride of 1; the mask's are [batch, head, query, key], 0 where it broadcasts. What is none, 0 or false
/// does not change the scores.
struct AttentionSite {
  const Node* node = nullptr;
  DType dtype = DType::kBF16;
  Dim batch, queries, keys;
  int heads = 0, kv_heads = 0;
  int head_dim = 0;    ///< of q and k
  int head_dim_v = 0;  ///< of v and the output
  StridedView q, k, v, out;
  std::optional<PageTable> k_pages,
      v_pages;  ///< where there are some, the view's axis of batch is one of pages
  std::optional<StridedView> mask;
  bool additive_mask = false;
  bool causal = false;
  int64_t window = 0;  ///< keys up to the query's own that it sees
  double softcap = 0;
  std::optional<StridedView> alibi, sinks;  ///< [heads], of any float
  std::optional<StridedView> offset;        ///< of a tensor: rank 0, or one for each batch row
  int64_t fixed_offset = 0;                 ///< where `offset` is none
  double scale = 1;
  bool aligned = true;  ///< rows are whole 16 bytes and begin at multiples, for every binding of the dims

  int group() const { return heads / kv_heads; }
  /// Whether anything but padding depends on where a query stands among the keys.
  bool positioned() const { return causal || window > 0 || alibi; }
  /// The keys [first_key, end_key) are what the query sees, masks aside. With an offset from a tensor: as of a
  /// full cache.
  int64_t end_key(int64_t query) const;
  int64_t first_key(int64_t query) const;
};

/// Reads the region; returns "" or the reason why strides and plain numbers cannot express it. What a kernel
/// cannot do of a site is for its family to refuse.
std::string read_attention(const Region& region, AttentionSite& site);

}  // namespace tenon
