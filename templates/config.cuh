// The shapes of kernels as plain structs: shared with the host, which chooses them, and passed to device code
// as template values with designated initialisers. No toolkit and no standard header.
#pragma once

namespace tenon {

// An elementwise kernel: each thread handles `vectors` runs of `width` consecutive elements, one block of
// threads apart, all loaded before any is used.
struct ElementwiseConfig {
  int width = 8;
  int vectors = 1;
  int threads = 256;
  constexpr int elements() const { return width * vectors * threads; }  // of one block
};

}  // namespace tenon
