// attention_config.cpp: which tiles there are. Each was compiled for sm_80, sm_89, sm_90a, sm_100a and sm_120
// and spills nowhere; golden tests keep it so.
#include "codegen/families/attention_config.h"

#include <algorithm>

namespace tenon {
namespace {

struct TileRow {
  int columns;  // at most, of q's tile and of v's
  int block_m, block_n, warps_m, warps_n, stages, min_blocks;
  bool biases;  // without spilling where every step reads a mask or adds ALiBi
};

// Tall tiles for many queries: 32 rows a warp halve the reads of K and V from shared memory, where registers
// allow. Then 16 rows a warp; then one row tile for few queries, its warps along the keys and more of them on
// their way, since few blocks must keep the memory busy.
constexpr TileRow kTiles[] = {
    {32, 128, 64, 4, 1, 2, 2, false}, {32, 64, 64, 4, 1, 2, 4, true},  {32, 16, 64, 1, 4, 4, 4, true},
    {64, 128, 64, 4, 1, 2, 2, false}, {64, 64, 64, 4, 1, 2, 3, true},  {64, 16, 64, 1, 4, 4, 3, true},
    {80, 128, 32, 4, 1, 2, 2, false}, {80, 64, 64, 4, 1, 2, 2, true},  {80, 16, 64, 1, 4, 3, 3, true},
    {96, 128, 32, 4, 1, 2, 2, false}, {96, 64, 64, 4, 1, 2, 2, true},  {96, 16, 64, 1, 4, 3, 3, true},
    {128, 128, 64, 8, 1, 2, 1, true}, {128, 64, 64, 4, 1, 2, 2, true}, {128, 16, 64, 1, 4, 3, 2, true},
    {128, 16, 64, 1, 4, 2, 2, true},  {192, 64, 32, 4, 1, 2, 2, true}, {192, 128, 32, 8, 1, 2, 1, true},
    {192, 16, 32, 1, 2, 3, 2, true},  {256, 64, 32, 4, 1, 2, 1, true}, {256, 128, 32, 8, 1, 2, 1, true},
    {256, 16, 32, 1, 2, 3, 2, true},  {256, 16, 32, 1, 2, 2, 2, true}, {512, 64, 16, 4, 1, 2, 1, true},
    {512, 32, 16, 2, 1, 2, 1, true},  {512, 16, 32, 1, 2, 2, 1, true},
};

constexpr int kMaxGrid = 65535;  // of y and z
constexpr int64_t kMaxRows = (int64_t{1} << 31) - 1;
constexpr int64_t kFarthest = int64_t{1} << 30;  // that a window reaches or an offset shifts
constexpr int kMaxColumnsV = 256;                // of one block: what 16 rows a warp can hold

/// How many columns the rows of the table that fit the site are for.
int class_of(const AttentionSite& site) {
  for (const TileRow& row : kTiles)
    if (std::max(site.head_dim, site.head_dim_v) <= row.columns) return row.columns;
  return 0;
}

AttentionConfig tensor_core_config(const AttentionSite& site, const TileRow& row, int pack) {
  const bool crowded = site.mask && site.softcap > 0;  // both at once need the registers of one block more
  AttentionConfig config;
  config.tile = {.head_dim = site.head_dim,
                 .head_dim_v = site.head_dim_v,
                 .parts_v = (site.head_dim_v + kMaxColumnsV - 1) / kMaxColumnsV,
                 .block_m = row.block_m,
                 .block_n = row.block_n,
                 .warps_m = row.warps_m,
                 .warps_n = row.warps_n,
                 .stages = row.stages,
                 .pack = pack,
                 .min_blocks = std::max(1, row.min_blocks - (crowded ? 1 : 0)),
                 .causal = site.causal,
                 .window = site.window > 0,
                 .softcap = site.softcap > 0,
                 .scale_first = site.additive_mask || site.alibi || site.softcap > 0 || site.scale <= 0,
                 .aligned = site.aligned};
  return config;
}

AttentionConfig simt_config(const AttentionSite& site, int rows_per_thread, int pack, int warps = 4) {
  AttentionConfig config;
  config.tensor_cores = false;
  config.simt = {.head_dim = site.head_dim,
                 .head_dim_v = site.head_dim_v,
                 .block_n = std::max(site.head_dim, site.head_dim_v) > 128 ? 16 : 32,
                 .rows_per_thread = rows_per_thread,
                 .warps = warps,
                 .pack = pack,
                 .causal = site.causal,
                 .window = site.window > 0,
                 .softcap = site.softcap > 0,
                 .aligned = site.aligned};
  return config;
}

/// How blocks share keys. Of a full cache so many at least that the partial results, which all but the last leave and it
/// reads again, are less than a twentieth of what they read. Of fewer keys, which take no time to bring, two steps: one
/// token of Qwen2.5 0.5B with 1000 of 4096 keys gains 1.6 us a layer on an H200.
void set_shares(const AttentionSite& site, AttentionConfig& config) {
  const int64_t rows = site.queries.extent() * config.pack();
  const int64_t keys = rows * 96 / size_of(site.dtype);
  config.full_share = static_cast<int>((std::max<int64_t>(keys, config.block_n()) + 15) / 16 * 16);
  (config.tensor_cores ? config.tile.share : config.simt.share) =
      std::min(config.full_share, 2 * config.block_n());
}

}  // namespace

std::string AttentionConfig::text() const {
  std::string text = std::to_string(block_m()) + "x" + std::to_string(block_n());
  if (tensor_cores)
    text += "/" + std::to_string(tile.stages) + " warps " + std::to_string(tile.warps_m) + "x" +
            std::to_string(tile.warps_n);
  else
    text += " f32 warps " + std::to_string(simt.warps);
  text += " pack " + std::to_string(pack());
  return splits > 1 ? text + " splits " + std::to_string(splits) : text;
}

std::vector<AttentionConfig> attention_configs(const AttentionSite& site) {
  std::vector<AttentionConfig> configs;
  if (std::max(site.head_dim, site.head_dim_v) > kMaxHeadDim) return configs;
  for (int pack : {1, site.group()}) {
    if (pack == 1 && !configs.empty()) break;  // no group to pack
    if (site.dtype == DType::kF32) {
      for (int rows : {4, 1}) configs.push_back(simt_config(site, rows, pack));
      continue;
    }
    const bool biased = site.mask || site.alibi;
    for (const TileRow& row : kTiles)
      if (row.columns == class_of(site) && (row.biases || !biased))
        configs.push_back(tensor_core_config(site, row, pack));
  }
  return configs;
}

std::string attention_refusal(const AttentionSite& site) {
  for (int d : {site.head_dim, site.head_dim_v})
    if (d < 1 || d > kMaxHeadDim)
      return "head_dim " + std::to_string(d) + ": the kernels do 1 to " + std::to_string(kMaxHeadDim);
  if (site.window > kFarthest) return "a window of more than 2^30 keys";
  return "";
}

std::string why_not(const AttentionSite& site, const AttentionConfig& config, const Card& card) {
  if (config.shared_bytes() > card.shared_bytes_per_block)
    return "needs " + std::to_string(config.shared_bytes()) + " bytes of shared memory, a block has " +
           std::to_string(card.shared_bytes_per_block);
  if (site.batch.extent() > kMaxGrid || site.heads / config.pack() * config.parts_v() > kMaxGrid)
    return "more than 65535 heads or batch rows";
  const bool far =
      site.window > 0 || site.alibi || config.splits > 1;  // places are added up to more than a row
  const int64_t longest = std::max(site.queries.extent() * config.pack(), site.keys.extent());
  if (longest > (far ? kFarthest / 2 : kMaxRows))
    return std::string("more than ") + (far ? "2^29" : "2^31 - 1") + " rows or keys";
  return "";
}

std::vector<AttentionConfig> attention_decode_configs(const AttentionSite& site) {
  constexpr int kRows = 16;
  std::vector<AttentionConfig> configs;
  const int64_t queries = site.queries.extent();
  if (std::max(site.head_dim, site.head_dim_v) > kMaxHeadDim || queries < 1 || queries > kRows)
    return configs;
  int pack = site.group();
  while (site.group() % pack != 0 || pack * queries > kRows) --pack;
  if (site.dtype == DType::kF32) {
    int warps = 1;
    while (2 * warps < pack * queries) warps *= 2;
    configs.push_back(simt_config(site, 1, pack, warps));
    set_shares(site, configs.back());
    return configs;
  }
  for (const TileRow& row : kTiles)
    if (row.columns == class_of(site) && row.block_m == kRows) {
      configs.push_back(tensor_core_config(site, row, pack));
      set_shares(site, configs.back());
    }
  return configs;
}

}  // namespace tenon
