// thread_pool.h: one thread a core; a loop's iterations are handed out one after another.
#pragma once
#include <cstdint>

#include "llvm/ADT/STLFunctionalExtras.h"

namespace tenon::cpu {

/// Threads that parallel_for uses, the caller's own among them: the cores that this process may run on.
int thread_count();

/// Calls body(i) for each i in [0, count), on several threads; returns when all are done. What an iteration
/// computes must not depend on the others, so results do not depend on the number of threads. The first
/// exception (by iteration) is thrown again. A call inside a body runs its loop on that thread alone.
void parallel_for(int64_t count, llvm::function_ref<void(int64_t)> body);

/// Calls body(begin, end) for pieces of [0, count) of at most `grain`.
void parallel_pieces(int64_t count, int64_t grain, llvm::function_ref<void(int64_t, int64_t)> body);

}  // namespace tenon::cpu
