// The warp instructions of CUDA C++ on the host: each lane brings a record, the last one computes for all.
#pragma once
#include "tests/host_cuda/host_api.h"

namespace tenon::host_cuda {

inline unsigned lane_number() {
  const HostApi& api = *tenon_host;
  return (api.thread.x + api.block_dim.x * (api.thread.y + api.block_dim.y * api.thread.z)) % 32;
}

template <class T>
struct Shuffle {
  T value;
  unsigned source;
  T result;
  static void combine(void* const* records) {
    for (int lane = 0; lane < 32; ++lane) {
      auto* mine = static_cast<Shuffle*>(records[lane]);
      if (!mine) continue;
      const auto* from = static_cast<const Shuffle*>(records[mine->source % 32]);
      if (!from) return tenon_host->fail("a shuffle reads a lane outside its mask");
      mine->result = from->value;
    }
  }
};
template <class T>
T shuffle(const char* instruction, unsigned mask, T value, unsigned source) {
  Shuffle<T> record{value, source, value};
  tenon_host->collective(instruction, mask, &record, Shuffle<T>::combine);
  return record.result;
}

struct Vote {
  unsigned value, bits, sum, largest;
  static void combine(void* const* records) {
    unsigned bits = 0, sum = 0, largest = 0;
    for (int lane = 0; lane < 32; ++lane)
      if (auto* record = static_cast<Vote*>(records[lane])) {
        bits |= (record->value != 0) << lane;
        sum += record->value;
        largest = largest < record->value ? record->value : largest;
      }
    for (int lane = 0; lane < 32; ++lane)
      if (auto* record = static_cast<Vote*>(records[lane]))
        record->bits = bits, record->sum = sum, record->largest = largest;
  }
};
inline Vote vote(const char* instruction, unsigned mask, unsigned value) {
  Vote record{value, 0, 0, 0};
  tenon_host->collective(instruction, mask, &record, Vote::combine);
  return record;
}

}  // namespace tenon::host_cuda

template <class T>
T __shfl_sync(unsigned mask, T v, int source, int width = 32) {
  const unsigned lane = tenon::host_cuda::lane_number();
  return tenon::host_cuda::shuffle("shfl", mask, v, (lane & ~(width - 1)) + (source & (width - 1)));
}
template <class T>
T __shfl_xor_sync(unsigned mask, T v, int flip, int width = 32) {
  const unsigned lane = tenon::host_cuda::lane_number(), other = lane ^ flip;
  return tenon::host_cuda::shuffle("shfl.bfly", mask, v, other / width > lane / width ? lane : other);
}
template <class T>
T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32) {
  const unsigned lane = tenon::host_cuda::lane_number(), other = lane + delta;
  return tenon::host_cuda::shuffle("shfl.down", mask, v, other / width == lane / width ? other : lane);
}
template <class T>
T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32) {
  const unsigned lane = tenon::host_cuda::lane_number();
  return tenon::host_cuda::shuffle("shfl.up", mask, v, lane % width >= delta ? lane - delta : lane);
}
inline unsigned __ballot_sync(unsigned mask, int p) {
  return tenon::host_cuda::vote("vote.ballot", mask, p != 0).bits;
}
inline int __any_sync(unsigned mask, int p) {
  return tenon::host_cuda::vote("vote.any", mask, p != 0).bits != 0;
}
inline int __all_sync(unsigned mask, int p) {
  return tenon::host_cuda::vote("vote.all", mask, p != 0).bits == mask;
}
inline unsigned __reduce_add_sync(unsigned mask, unsigned v) {
  return tenon::host_cuda::vote("redux.add", mask, v).sum;
}
inline unsigned __reduce_max_sync(unsigned mask, unsigned v) {
  return tenon::host_cuda::vote("redux.max", mask, v).largest;
}
inline void __syncwarp(unsigned mask = 0xffffffffu) { tenon::host_cuda::vote("bar.warp", mask, 0); }
