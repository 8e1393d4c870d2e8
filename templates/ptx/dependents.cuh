// Launches that overlap (programmatic dependent launch, sm_90 and later; nothing on earlier architectures): a kernel may be
// put on the card while the one before it still runs, and then says itself from where on it needs what that one wrote.
#pragma once

namespace tenon::ptx {

/// The next kernel's blocks may start as soon as every block of this one has said so, and there is room.
__device__ __forceinline__ void launch_dependents() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}

/// Returns once the kernels before this one are complete and what they wrote is visible. Whatever they write must be read,
/// and whatever they read must be written, after it; and every kernel of a chain must call it, or the next one waits for
/// its neighbour alone. Loads of what no kernel writes (weights) may stand before, as plain loads: the compiler sinks
/// those of `__restrict__`, `__ldg` and `.nc` below it.
__device__ __forceinline__ void wait_for_predecessors() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

}  // namespace tenon::ptx
