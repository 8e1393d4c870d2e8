// Host versions of templates/ptx/barrier.cuh.
#pragma once

namespace tenon::ptx {

template <int kBarrier>
inline void barrier_sync(int threads) {
  tenon_host->barrier(kBarrier, threads, true);
}
template <int kBarrier>
inline void barrier_arrive(int threads) {
  tenon_host->barrier(kBarrier, threads, false);
}

}  // namespace tenon::ptx
