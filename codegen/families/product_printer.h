// product_printer.h: the CUDA text of a product kernel: config, head, epilogue, entry. The families differ in
// what they name here.
#pragma once
#include "codegen/families/product.h"
#include "codegen/plan.h"

namespace tenon {

/// What a family says of its kernel; nothing is decided after it.
struct ProductFile {
  std::string family;          ///< "gemm"
  std::string config_name;     ///< in the file's first comment: "tile 64x64x64/2"
  std::string header;          ///< "templates/gemm_sm80.cuh"
  std::string config_type;     ///< "GemmConfig"
  std::string config;          ///< its designated initialisers
  std::string sums_type;       ///< what an epilogue call sees: "GemmSums"
  std::string function;        ///< the kernel's body: "gemm_sm80"
  std::string batch_function;  ///< "gemm_batch"
  int head_elements = 8;       ///< of the left operand that a call of the head makes
  bool exact_head = false;     ///< and whether all of them always exist
  int right_elements = 8;      ///< of a line of quantised right operands that are read at a time
  bool right_groups = false;   ///< and stay integers until their group is summed (QuantisedGroups)
  int vector = 8;              ///< columns of an epilogue call
  bool exact_n = false;        ///< and whether all of them always exist
  int64_t tiles = 0;           ///< over the whole batch
  int slices = 1;
  int threads = 0, shared_bytes = 0, partial_floats = 0;
  bool lets_in = true;  ///< the entry lets the next kernel in, else the function does
  bool waits = false;   ///< the function waits for earlier kernels itself, with its right operands under way
  int blocks_per_sm = 0;  ///< for the launch bounds; 0: the compiler's choice
};

/// The kernel of an accepted region, and how it is launched for this binding of the dims.
EmittedKernel print_product(const Region& region, const ProductProblem& problem, const ProductFile& file,
                            const Target& target, llvm::StringRef name);

}  // namespace tenon
