// The loop of elementwise kernels. The body reads and writes one chunk, `width` neighbouring elements; a
// thread reads several chunks before it writes any, so that enough bytes are in flight.
#pragma once
#include "templates/config.cuh"
#include "templates/scalar.cuh"

namespace tenon {

// Body: struct Loaded; Loaded read(Index chunk) const; void write(Index chunk, const Loaded&) const.
template <ElementwiseConfig kConfig, class Index, class Body>
TENON_DEVICE void walk_elements(Index chunks, const Body& body) {
  const Index first = Index(blockIdx.x) * (kConfig.threads * kConfig.vectors) + Index(threadIdx.x);
  if (first >= chunks) return;
  typename Body::Loaded loaded[kConfig.vectors];
#pragma unroll
  for (int i = 0; i < kConfig.vectors; ++i) {
    // Beyond the end the first is read again, so that no load waits for a branch: never what another thread writes.
    const Index chunk = first + i * kConfig.threads;
    loaded[i] = body.read(chunk < chunks ? chunk : first);
  }
#pragma unroll
  for (int i = 0; i < kConfig.vectors; ++i) {
    const Index chunk = first + i * kConfig.threads;
    if (chunk < chunks) body.write(chunk, loaded[i]);
  }
}

// The last j with ids[j] == place, or -1.
template <class Index, class Id>
TENON_DEVICE Index last_write(const Id* ids, Index count, Index place, Index extent) {
  for (Index j = count; j-- > 0;)
    if (wrap_index(ids[j], extent) == place) return j;
  return -1;
}

}  // namespace tenon
