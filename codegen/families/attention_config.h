// attention_config.h: one way to run an attention: which kernel, with which tile.
#pragma once
#include <string>

#include "codegen/families/attention_site.h"
#include "passes/card.h"
#include "templates/config.cuh"

namespace tenon {

struct AttentionConfig {
  bool tensor_cores = true;  ///< `tile` with attention_sm80.cuh, else `simt` with attention_simt.cuh
  AttentionTile tile;
  AttentionSimtTile simt;
  int full_share = 0;  ///< where blocks share the keys of a full cache, those of one at least
  int splits = 1;  ///< blocks that share the keys of one tile of rows; more than 1: with attention_decode.cuh

  int block_m() const { return tensor_cores ? tile.block_m : simt.block_m(); }
  int block_n() const { return tensor_cores ? tile.block_n : simt.block_n; }
  int pack() const { return tensor_cores ? tile.pack : simt.pack; }
  int threads() const { return tensor_cores ? tile.threads() : simt.threads(); }
  int min_blocks() const { return tensor_cores ? tile.min_blocks : 1; }
  int share() const { return tensor_cores ? tile.share : simt.share; }
  int parts_v() const { return tensor_cores ? tile.parts_v : simt.parts_v; }
  /// Columns that a key has in the tiles of K and V together.
  int key_columns() const {
    return tensor_cores ? tile.depth() + tile.columns() : simt.depth() + simt.columns();
  }
  int64_t shared_bytes() const { return tensor_cores ? tile.shared_bytes() : simt.shared_bytes(); }
  /// Tiles of rows of one packed head.
  int64_t row_tiles(const AttentionSite& site) const {
    return (site.queries.extent() * pack() + block_m() - 1) / block_m();
  }
  /// Floats that the blocks of one tile of rows leave for the one that joins their shares of the keys.
  int64_t partial_floats(const AttentionSite& site) const {
    return splits * site.queries.extent() * pack() * (tensor_cores ? tile.share_pitch() : simt.share_pitch());
  }
  std::string text() const;  ///< "128x64/2 warps 4x1 pack 1", "16x64/4 warps 1x4 pack 4 splits 16"
};

constexpr int kMaxHeadDim = 512;  ///< of q and k, and of v

/// "" or what of the site no kernel can do.
std::string attention_refusal(const AttentionSite& site);
/// "" or why the card cannot run the config.
std::string why_not(const AttentionSite& site, const AttentionConfig& config, const Card& card);

/// The configs that compile without spilling for this site, tall tiles first: with and without the heads of a
/// key head packed. None where a head_dim is larger than kMaxHeadDim.
std::vector<AttentionConfig> attention_configs(const AttentionSite& site);

/// The configs whose one tile holds all queries of a key head, or of a part of its query heads where they are
/// many, and whose blocks can share its keys. None where more than 16 queries make that impossible.
std::vector<AttentionConfig> attention_decode_configs(const AttentionSite& site);

}  // namespace tenon
