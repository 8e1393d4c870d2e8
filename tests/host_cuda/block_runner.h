// Runs one block of a kernel on the CPU: each thread is a fiber, switched only where threads meet (barriers,
// warp instructions). Checks what a GPU would leave undefined: lanes that meet in different instructions,
// threads that wait for ever, addresses out of bounds.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>

#include "tests/host_cuda/host_api.h"

namespace tenon::host_cuda {

class BlockRunner {
 public:
  BlockRunner();
  ~BlockRunner();

  HostApi& api();
  // Runs `body` once for each thread of api().block_dim, in an order drawn from `seed` (0: ascending). Throws
  // std::runtime_error naming block and thread.
  void run(const std::function<void()>& body, unsigned seed);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tenon::host_cuda
