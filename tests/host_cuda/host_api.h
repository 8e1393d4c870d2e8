// What a kernel compiled for the CPU calls while it runs, and what it sees of its place in the grid. Shared
// by both sides of dlopen.
#pragma once

namespace tenon::host_cuda {

struct Index3 {
  unsigned x, y, z;
};

struct HostApi {
  Index3 thread, block, block_dim, grid_dim;
  unsigned char* dynamic_shared;

  // Meets the other lanes of `mask` (bits of this warp) in the same instruction; the last to come calls
  // `combine` with every lane's record (null outside the mask), then all go on.
  void (*collective)(const char* instruction, unsigned mask, void* record,
                     void (*combine)(void* const* records));
  void (*barrier)(int identifier, int threads, bool wait);  // threads = 0: the whole block
  void (*cp_async)(void* shared, const void* global, int size, int bytes);
  void (*cp_async_commit)();
  void (*cp_async_wait)(int pending_groups);
  void (*yield)();
  void (*fail)(const char* message);  // does not return
};

}  // namespace tenon::host_cuda
