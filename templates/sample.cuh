// A token for each row of logits, drawn by softmax(x / temperature) among the top_k largest and of those the fewest that
// hold top_p: a block a row, no sort. The k-th largest element and the last one of top_p are found by their bits, eight at
// a time; weights are integers, multiples of 2^-40 of the largest, so that no sum depends on the order of its terms.
#pragma once
#include "templates/memory.cuh"
#include "templates/reduce.cuh"

namespace tenon {

// The first word of Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011) under key `seed` at counter (row, position, 0).
TENON_DEVICE u32 philox(u64 seed, u32 row, u64 position) {
  u32 c0 = row, c1 = u32(position), c2 = u32(position >> 32), c3 = 0, key0 = u32(seed),
      key1 = u32(seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const u64 a = u64(0xD2511F53u) * c0, b = u64(0xCD9E8D57u) * c2;
    c0 = u32(b >> 32) ^ c1 ^ key0;
    c2 = u32(a >> 32) ^ c3 ^ key1;
    c1 = u32(b);
    c3 = u32(a);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return c0;
}

// (a * b) >> 64, for b of 32 bits in the upper half: a * b32 >> 32.
TENON_DEVICE u64 scaled(u64 a, u32 b32) { return (a >> 32) * b32 + ((a & 0xffffffffu) * b32 >> 32); }

// The sum of v over the threads before this one, and over all of them. Every thread of the block calls it.
template <int kThreads>
TENON_DEVICE u64 block_scan(u64 v, u64& all) {
  __shared__ u64 warps[kThreads / 32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  u64 sum = v;
#pragma unroll
  for (int reach = 1; reach < 32; reach *= 2) {
    const u64 left = __shfl_up_sync(0xffffffffu, sum, reach);
    if (lane >= reach) sum += left;
  }
  __syncthreads();  // the readers of an earlier use are done
  if (lane == 31) warps[warp] = sum;
  __syncthreads();
  u64 before = sum - v;
  all = 0;
#pragma unroll
  for (int i = 0; i < kThreads / 32; ++i) {
    if (i < warp) before += warps[i];
    all += warps[i];
  }
  return before;
}

// Where a row is cut: elements above `key` are kept, and of those equal to it the first `equals`.
struct SampleCut {
  u32 key;
  u64 equals;
};

template <class T, int kThreads>
struct SampledRow {
  const T* x;
  i32 length;
  float largest, temperature;

  // In the order of the numbers: -0 is 0, and a NaN is -inf.
  TENON_DEVICE static u32 key_of(float v) {
    if (is_nan(v)) v = -kInfinity;
    const u32 bits = __builtin_bit_cast(u32, v + 0.0f);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  }
  TENON_DEVICE static float number_of(u32 key) {
    return __builtin_bit_cast(float, key & 0x80000000u ? key & 0x7fffffffu : ~key);
  }
  // Of elements with this key, in 2^-40.
  TENON_DEVICE u64 weight_of(u32 key) const {
    const float v = number_of(key);
    if (v == largest) return u64(1) << 40;
    return u64(exp((v - largest) / temperature) * 0x1p40f);
  }
  TENON_DEVICE u32 key_at(i32 i) const { return key_of(widen(x[i])); }

  // The least key such that what `measure(key)` adds over larger or equal keys reaches `target`, which all elements
  // together do; `above` receives the sum over larger ones. `extra` is added at `extra_key`.
  template <class Measure>
  TENON_DEVICE u32 find(u64 target, u32 extra_key, u64 extra, u64& above, const Measure& measure) const {
    __shared__ u64 bins[256];
    __shared__ u64 found_above;
    __shared__ u32 found;
    u32 prefix = 0;
    above = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
      const auto matches = [&](u32 key) { return shift == 24 || key >> (shift + 8) == prefix; };
      __syncthreads();  // the readers of the last round are done
      if (threadIdx.x < 256) bins[threadIdx.x] = 0;
      __syncthreads();
      u32 digit = 0;  // neighbours often share one, so sums wait for another digit
      u64 sum = 0;
      const auto put = [&](u32 key, u64 value) {
        const u32 next = key >> shift & 255;
        if (next != digit && sum) atomicAdd(&bins[digit], sum), sum = 0;
        digit = next;
        sum += value;
      };
      for (i32 i = threadIdx.x; i < length; i += kThreads)
        if (const u32 key = key_at(i); matches(key)) put(key, measure(key));
      if (threadIdx.x == 0 && matches(extra_key)) put(extra_key, extra);
      if (sum) atomicAdd(&bins[digit], sum);
      __syncthreads();
      const u64 mine = threadIdx.x < 256 ? bins[255 - threadIdx.x] : 0;
      u64 all;
      const u64 before = above + block_scan<kThreads>(mine, all);
      if (before < target && target <= before + mine) found = 255 - threadIdx.x, found_above = before;
      __syncthreads();
      prefix = prefix << 8 | found;
      above = found_above;
    }
    return prefix;
  }

  // The sum of measure(key) over the row.
  template <class Measure>
  TENON_DEVICE u64 total(const Measure& measure) const {
    u64 sum = 0;
    for (i32 i = threadIdx.x; i < length; i += kThreads) sum += measure(key_at(i));
    u64 all;
    block_scan<kThreads>(sum, all);
    return all;
  }

  TENON_DEVICE SampleCut top_k(i64 k) const {
    if (k <= 0 || k >= length) return {0, 0};  // no key is 0: the least is that of -inf
    u64 above;
    const u32 key = find(u64(k), 0, 0, above, [](u32) { return u64(1); });
    return {key, u64(k) - above};
  }

  // Of what `cut` keeps, the fewest that hold `share` of its weight; `kept` is that weight, and becomes theirs.
  TENON_DEVICE SampleCut top_p(const SampleCut& cut, float share, u64& kept) const {
    if (share >= 1.0f) return cut;
    const u32 part = u32(share * 0x1p32f);
    const u64 target = maximum(scaled(kept, part), u64(1));
    const u64 equal_weight = cut.key ? weight_of(cut.key) * cut.equals : 0;
    u64 above;
    const u32 key = find(target, cut.key, equal_weight, above,
                         [&](u32 other) { return other > cut.key ? weight_of(other) : u64(0); });
    const u64 one = weight_of(key), equals = (target - above + one - 1) / one;
    kept = above + equals * one;
    return {key, equals};
  }

  // The first element up to which the kept weights exceed `draw`, by index.
  TENON_DEVICE i64 element_at(const SampleCut& cut, u64 draw) const {
    __shared__ i32 drawn;
    u64 before = 0, equals_before = 0;
    for (i32 start = 0; start < length; start += kThreads) {
      const i32 i = start + threadIdx.x;
      const u32 key = i < length ? key_at(i) : 0;
      const bool equal = key == cut.key && i < length;
      u64 equals = 0, all = 0;
      const u64 rank = equals_before + block_scan<kThreads>(equal, equals);
      const bool kept = i < length && (key > cut.key || (equal && rank < cut.equals));
      const u64 weight = kept ? weight_of(key) : 0;
      const u64 from = before + block_scan<kThreads>(weight, all);
      if (from <= draw && draw < from + weight) drawn = i;
      before += all;
      equals_before += equals;
      if (before > draw) break;
    }
    __syncthreads();
    return drawn;
  }
};

// settings: temperature, top_p; limits: top_k (0: all), seed. Positions lie `position_step` apart, 0 where all rows share one.
template <int kThreads, class T, class P>
TENON_DEVICE void sample_rows(const T* logits, const P* position, i32 position_step, const float* settings,
                              const i64* limits, i64* result, i32 length) {
  static_assert(kThreads >= 256 && kThreads % 32 == 0);
  const i64 row = blockIdx.x;
  SampledRow<T, kThreads> x{logits + row * length, length, -kInfinity, settings[0]};
  u32 most = 0;
  for (i32 i = threadIdx.x; i < length; i += kThreads) most = maximum(most, x.key_at(i));
  x.largest = x.number_of(block_reduce<kThreads>(most, Maximum()));
  i64 drawn = 0;                  // where nothing is left, the first element is certain
  if (x.largest != -kInfinity) {  // the same for the whole block
    SampleCut cut = x.top_k(limits[0]);
    u64 kept = x.total([&](u32 key) { return key > cut.key ? x.weight_of(key) : u64(0); });
    if (cut.key) kept += x.weight_of(cut.key) * cut.equals;
    cut = x.top_p(cut, settings[1], kept);
    const u32 random = philox(u64(limits[1]), u32(row), u64(i64(position[row * position_step])));
    drawn = x.element_at(cut, scaled(kept, random & ~255u));  // 24 bits of it
  }
  if (threadIdx.x == 0) result[row] = drawn;
}

}  // namespace tenon
