// kernel_frame.h: what every pulled kernel's file has around its body: head, includes, namespace, the entry.
#pragma once
#include "codegen/kernel_parameters.h"
#include "codegen/text.h"

namespace tenon {

/// What the head of a file says.
struct KernelTitle {
  llvm::StringRef name;  ///< of the kernel
  const Region& region;
  llvm::StringRef family;
  const Target& target;
  std::string config;
};

/// The head, the includes of `kernel`, the namespace and the type of indices.
void open_file(Text& text, const KernelTitle& title, const EmittedKernel& kernel, bool wide);

/// The extern "C" entry that makes one call, and the end of the namespace. Hands text and parameters to `kernel`.
void close_file(Text& text, const KernelTitle& title, const KernelParameters& parameters,
                llvm::StringRef launch_bounds, const std::string& call, EmittedKernel& kernel);

}  // namespace tenon
