// Runs generated CUDA kernels on the CPU, so that their values are checked where there is no GPU:
//   HostKernel kernel = compile_host_kernel(source, "ffn_in");
//   kernel.launch({grid}, {block}, shared_bytes, {x.data(), int64_t{T}, y.data()});
// The source is compiled by an ordinary C++ compiler against tests/host_cuda/, loaded, and run thread by
// thread.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/host_cuda/device_buffer.h"

namespace tenon::host_cuda {

// A kernel argument by value; its size must be that of the parameter.
struct Argument {
  std::vector<unsigned char> bytes;
  template <class T>
  Argument(const T& value) : bytes(sizeof(T)) {
    std::memcpy(bytes.data(), &value, sizeof(T));
  }
  Argument(const DeviceBuffer& buffer) : Argument(static_cast<void*>(buffer.data())) {}
};

class HostKernel {
 public:
  // Runs the whole grid, blocks one after the other; shared memory and the margins of buffers are poisoned
  // and checked. `seed` shuffles blocks and threads (0: ascending). Throws std::runtime_error that says what
  // a GPU would have done wrong, in which block and thread.
  void launch(std::array<unsigned, 3> grid, std::array<unsigned, 3> block, size_t shared_bytes,
              const std::vector<Argument>& arguments, unsigned seed = 1) const;
  // Bytes of each parameter.
  const std::vector<size_t>& parameters() const;

 private:
  friend HostKernel compile_host_kernel(const std::string&, const std::string&);
  struct Library;
  std::shared_ptr<Library> library_;
};

// False where no C++ compiler is at hand ($CXX, g++, clang++): a test then says SKIPPED and returns.
bool host_compiler_available();

// Compiles `source` (a whole emitted .cu file) and finds the extern "C" kernel `name`. Compiled kernels are
// kept in the build folder, keyed by all that they depend on. Throws std::runtime_error with the compiler's
// whole output.
HostKernel compile_host_kernel(const std::string& source, const std::string& name);

}  // namespace tenon::host_cuda
