// Vectors between registers and global memory. `load` widens bf16 and f16 to float, `store` rounds back. A
// vector moves in words of at most 16 bytes; kAligned says to how many elements the pointer is surely
// aligned. The guarded forms touch only the first `count` elements. From where on a kernel may do either: dependents.cuh.
#pragma once
#include "templates/ptx/dependents.cuh"
#include "templates/scalar.cuh"

namespace tenon {

// Elements of T moved by one instruction, of N that lie at a multiple of `aligned` elements.
template <class T, int N>
constexpr int word_elements(int aligned) {
  int elements = N;
  while (elements > 1 && (elements * int(sizeof(T)) > 16 || N % elements != 0 || aligned % elements != 0 ||
                          (elements & (elements - 1)) != 0))
    --elements;
  return elements;
}

// Elements as they lie in memory.
template <int N, int kAligned = N, class T>
TENON_DEVICE Vec<T, N> load_raw(const T* p) {
  constexpr int kWord = word_elements<T, N>(kAligned);
  Vec<T, N> r;
#pragma unroll
  for (int i = 0; i < N; i += kWord) {
    const auto word = *reinterpret_cast<const Vec<T, kWord>*>(p + i);
#pragma unroll
    for (int j = 0; j < kWord; ++j) r[i + j] = word[j];
  }
  return r;
}
template <int kAligned, class T, int N>
TENON_DEVICE void store_raw(T* p, const Vec<T, N>& v) {
  constexpr int kWord = word_elements<T, N>(kAligned);
#pragma unroll
  for (int i = 0; i < N; i += kWord) {
    Vec<T, kWord> word;
#pragma unroll
    for (int j = 0; j < kWord; ++j) word[j] = v[i + j];
    *reinterpret_cast<Vec<T, kWord>*>(p + i) = word;
  }
}

template <int N, int kAligned = N, class T>
TENON_DEVICE Vec<Compute<T>, N> load(const T* p) {
  return widen(load_raw<N, kAligned>(p));
}
template <int N, int kAligned = N, class T, class Count>
TENON_DEVICE Vec<Compute<T>, N> load(const T* p, Count count, Compute<T> fill = Compute<T>(0)) {
  if (count >= Count(N)) return load<N, kAligned>(p);
  Vec<Compute<T>, N> r;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    r[i] = fill;
    if (Count(i) < count) r[i] = widen(p[i]);
  }
  return r;
}
// Elements p[0], p[stride], ...
template <int N, class T, class Count>
TENON_DEVICE Vec<Compute<T>, N> load_strided(const T* p, i64 stride, Count count) {
  Vec<Compute<T>, N> r;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    r[i] = Compute<T>(0);
    if (Count(i) < count) r[i] = widen(p[i * stride]);
  }
  return r;
}

template <int kAligned = 0, class T, class V, int N>
TENON_DEVICE void store(T* p, const Vec<V, N>& v) {
  store_raw<kAligned == 0 ? N : kAligned>(p, cast<T>(v));
}
template <int kAligned = 0, class T, class V, int N, class Count>
TENON_DEVICE void store(T* p, const Vec<V, N>& v, Count count) {
  if (count >= Count(N)) {
    store<kAligned>(p, v);
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (Count(i) < count) p[i] = cast<T>(v[i]);
}
// Elements p[0], p[stride], ...
template <class T, class V, int N, class Count>
TENON_DEVICE void store_strided(T* p, i64 stride, const Vec<V, N>& v, Count count) {
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (Count(i) < count) p[i * stride] = cast<T>(v[i]);
}

}  // namespace tenon
