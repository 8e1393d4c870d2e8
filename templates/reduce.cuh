// Reductions over the threads that share a row: part of a warp, or a whole block. The order is fixed, so that
// results repeat bit by bit, and every thread receives the result. An operation is a struct with operator();
// its identity is the caller's.
#pragma once
#include "templates/elementwise.cuh"

namespace tenon {

struct Sum {
  template <class T>
  TENON_DEVICE T operator()(T a, T b) const {
    return a + b;
  }
};
struct Product {
  template <class T>
  TENON_DEVICE T operator()(T a, T b) const {
    return mul(a, b);
  }
};
struct Maximum {
  template <class T>
  TENON_DEVICE T operator()(T a, T b) const {
    return maximum(a, b);
  }
};
struct Minimum {
  template <class T>
  TENON_DEVICE T operator()(T a, T b) const {
    return minimum(a, b);
  }
};

// v of the lane whose number differs by `mask`; any trivially copyable type.
template <class T>
TENON_DEVICE T shuffle_xor(const T& v, int mask) {
  if constexpr (sizeof(T) % 4 == 0) {
    struct Words {
      u32 word[sizeof(T) / 4];
    };
    Words words = __builtin_bit_cast(Words, v);
#pragma unroll
    for (u32& word : words.word) word = __shfl_xor_sync(0xffffffffu, word, mask);
    return __builtin_bit_cast(T, words);
  } else {
    return T(__shfl_xor_sync(0xffffffffu, int(v), mask));
  }
}

// Over aligned groups of kThreads lanes, a power of two up to 32.
template <int kThreads, class T, class Op>
TENON_DEVICE T warp_reduce(T v, Op op) {
#pragma unroll
  for (int mask = kThreads / 2; mask > 0; mask /= 2) {
    const T other = shuffle_xor(v, mask);
    v = threadIdx.x & mask ? op(other, v)
                           : op(v, other);  // the same order of operands on both sides: the same bits
  }
  return v;
}

// Over a block of kThreads threads (a multiple of 32). Every thread of the block calls it.
template <int kThreads, class T, class Op>
TENON_DEVICE T block_reduce(T v, Op op) {
  constexpr int kWarps = kThreads / 32;
  static_assert(kThreads % 32 == 0 && kWarps <= 32);
  v = warp_reduce<32>(v, op);
  if constexpr (kWarps > 1) {
    __shared__ T scratch[kWarps];
    __syncthreads();  // the readers of an earlier use are done
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = v;
    __syncthreads();
    v = scratch[0];
#pragma unroll
    for (int i = 1; i < kWarps; ++i) v = op(v, scratch[i]);
  }
  return v;
}

// Over the kThreads consecutive threads that share a row: lanes of one warp, or the block.
template <int kThreads, class T, class Op>
TENON_DEVICE T group_reduce(T v, Op op) {
  if constexpr (kThreads <= 32)
    return warp_reduce<kThreads>(v, op);
  else
    return block_reduce<kThreads>(v, op);
}

// Over the lanes of a vector, pairwise.
template <class T, int N, class Op>
TENON_DEVICE T lane_reduce(Vec<T, N> v, Op op) {
#pragma unroll
  for (int width = 1; width < N; width *= 2)
#pragma unroll
    for (int i = 0; i + width < N; i += 2 * width) v[i] = op(v[i], v[i + width]);
  return v[0];
}

}  // namespace tenon
