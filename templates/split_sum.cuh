// Sums over k that several blocks share: each leaves its part in a workspace, the last to arrive adds all of
// them in the order of the slices, so that the result does not depend on who came last.
#pragma once
#include "templates/ptx/shared.cuh"
#include "templates/scalar.cuh"

namespace tenon {

// Scratch memory of split products: partial_floats() of the config for each block, and one counter for each
// tile, zero before and after.
struct SplitWorkspace {
  float* partials = nullptr;
  int* tickets = nullptr;
};

// Tells whether this block is the last of its tile to arrive. All threads must have written what the last
// block reads. Uses the first word of dynamic shared memory.
TENON_DEVICE bool is_last_slice(int* ticket, int slices) {
  int* const shared_flag = reinterpret_cast<int*>(ptx::dynamic_shared());
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    *shared_flag = atomicAdd(ticket, 1) == slices - 1;
    if (*shared_flag) *ticket = 0;  // ready for the next launch
  }
  __syncthreads();
  const bool last = *shared_flag;
  __syncthreads();
  __threadfence();
  return last;
}

}  // namespace tenon
