// positions.cpp: ops that know where a token stands: rope and the cache's write.
#include <algorithm>
#include <cmath>

#include "ir/check_values.h"
#include "ir/diagnostics.h"
#include "runtime/cpu/operations.h"
#include "runtime/cpu/thread_pool.h"

namespace tenon::cpu {
namespace {

/// The position of token t of row b: a scalar or [B, 1] is the first one's.
int64_t position_of(llvm::ArrayRef<int64_t> at, const Extents& extents, int64_t b, int64_t t,
                    int64_t tokens) {
  if (extents.empty()) return at[0] + t;
  if (extents.size() == 1) return at[t];
  return extents[1] == 1 && tokens != 1 ? at[b] + t : at[b * extents[1] + t];
}

/// cos and sin of each (row, token, pair), from angles in f64: an f32 angle loses the fraction of a turn at
/// positions in the thousands.
struct Angles {
  Angles(const Node& node, Operands operands, int64_t pairs);
  std::vector<float> cosines, sines;
};

Angles::Angles(const Node& node, Operands operands, int64_t pairs) {
  int64_t batch = operands[0].extents[0], tokens = operands[0].extents[2];
  std::vector<int64_t> positions = integers_of(operands[1]);
  std::vector<float> table(pairs);
  const View* given = optional(node, operands, "frequencies");
  if (given) Walk(*given).load(0, pairs, table.data());
  double theta = node.attributes.number("theta", 10000), scale = node.attributes.number("scale", 1);
  cosines.resize(batch * tokens * pairs);
  sines.resize(cosines.size());
  parallel_for(batch * tokens, [&](int64_t row) {
    auto position =
        static_cast<double>(position_of(positions, operands[1].extents, row / tokens, row % tokens, tokens));
    for (int64_t i = 0; i < pairs; ++i) {
      double frequency =
          given ? table[i] : std::pow(theta, -static_cast<double>(i) / static_cast<double>(pairs));
      cosines[row * pairs + i] = static_cast<float>(std::cos(position * frequency) * scale);
      sines[row * pairs + i] = static_cast<float>(std::sin(position * frequency) * scale);
    }
  });
}

}  // namespace

View rope(const Node& node, Operands operands) {
  const View& x = operands[0];
  int64_t heads = x.extents[1], tokens = x.extents[2], depth = x.extents[3];
  int64_t pairs = node.attributes.integer("rotary_dim", depth) / 2;
  bool interleaved = node.attributes.flag("interleaved");
  Angles angles(node, operands, pairs);
  Walk walk(x);
  Tensor result = Tensor::uninitialised(node.type());
  std::byte* out = result.mutable_data();
  parallel_pieces(x.extents[0] * heads * tokens, 64, [&](int64_t begin, int64_t end) {
    std::vector<float> row(depth), turned(depth);
    for (int64_t at = begin; at < end; ++at) {
      walk.load(at * depth, depth, row.data());
      turned = row;
      int64_t b = at / tokens / heads, first_angle = (b * tokens + at % tokens) * pairs;
      for (int64_t i = 0; i < pairs; ++i) {
        float cosine = angles.cosines[first_angle + i], sine = angles.sines[first_angle + i];
        int64_t first = interleaved ? 2 * i : i, second = interleaved ? 2 * i + 1 : i + pairs;
        turned[first] = row[first] * cosine - row[second] * sine;
        turned[second] = row[second] * cosine + row[first] * sine;
      }
      store(turned.data(), depth, result.dtype(), out + at * depth * size_of(result.dtype()));
    }
  });
  return View::of(std::move(result));
}

namespace {

/// Runs of new tokens that lie side by side in the cache: one for each batch row, or for each page that it touches.
struct CacheRun {
  int64_t row, token, count;  ///< tokens `token` .. of batch row `row` of the new values
  int64_t block, place;       ///< go to token `place` of the cache's batch row or of the pool's page `block`
};

std::vector<CacheRun> paged_runs(const Node& node, const View& pages, const CacheRun& whole,
                                 int64_t page_size) {
  std::vector<int64_t> table = integers_of(pages);
  std::vector<CacheRun> runs;
  for (int64_t done = 0; done < whole.count;) {
    const int64_t at = whole.place + done, page = table[whole.row * pages.extents[1] + at / page_size];
    check_page(node, whole.row, page);
    const int64_t count = std::min(whole.count - done, page_size - at % page_size);
    runs.push_back({whole.row, done, count, page, at % page_size});
    done += count;
  }
  return runs;
}

std::vector<CacheRun> cache_runs(const Node& node, Operands operands, const View& cache) {
  const bool paged = node.attributes.flag("pages");
  const int64_t tokens = operands[1].extents[2];
  std::vector<int64_t> positions = integers_of(operands[2]);
  std::vector<CacheRun> runs;
  for (int64_t b = 0; b < operands[1].extents[0]; ++b) {
    const int64_t at = positions[positions.size() > 1 ? b : 0];
    check_cache_fit(node, at);
    const CacheRun whole{b, 0, tokens, b, at};
    if (!paged) {
      runs.push_back(whole);
      continue;
    }
    for (const CacheRun& run : paged_runs(node, operands[3], whole, cache.extents[2])) runs.push_back(run);
  }
  return runs;
}

}  // namespace

void write_cache(const Node& node, Operands operands, View& cache) {
  const View& fresh = operands[1];
  const int64_t size = size_of(cache.dtype());
  std::byte* out = cache.storage.mutable_data() + cache.offset * size;
  for (const CacheRun& run : cache_runs(node, operands, cache)) {
    View rows = fresh;
    rows.extents[0] = 1;
    rows.extents[2] = run.count;
    rows.offset += run.row * fresh.strides[0] + run.token * fresh.strides[2];
    copy_to(rows, out + (run.block * cache.strides[0] + run.place * cache.strides[2]) * size, cache.strides);
  }
}

}  // namespace tenon::cpu
