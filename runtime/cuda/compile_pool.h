// compile_pool.h: independent pieces of work, each as long as a compilation, over threads that live for them alone.
#pragma once
#include <cstddef>
#include <functional>

namespace tenon::cuda {

/// Calls work(i) for each i < count, in `threads` threads (0: one a core), the caller's among them. All are called,
/// whatever some throw; then throws what the first of them in order has thrown.
void for_each_in_parallel(size_t count, int threads, const std::function<void(size_t)>& work);

}  // namespace tenon::cuda
