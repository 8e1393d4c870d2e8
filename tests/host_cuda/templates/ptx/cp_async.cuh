// Host versions of templates/ptx/cp_async.cuh: the destination is poisoned at once and filled only by the
// wait, the latest moment allowed.
#pragma once
#include "templates/ptx/shared.cuh"

namespace tenon::ptx {

template <int kSize>
inline void cp_async(void* shared, const void* global, int bytes = kSize) {
  static_assert(kSize == 4 || kSize == 8 || kSize == 16);
  tenon_host->cp_async(shared, global, kSize, bytes);
}
inline void cp_async_commit() { tenon_host->cp_async_commit(); }
template <int kPending>
inline void cp_async_wait() {
  tenon_host->cp_async_wait(kPending);
}

}  // namespace tenon::ptx
