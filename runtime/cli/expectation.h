// expectation.h: what a kernel's outputs should be: files of earlier results or of a reference.
#pragma once
#include <string>

#include "llvm/ADT/ArrayRef.h"
#include "runtime/file_tensor.h"

namespace tenon::cli {

/// What --expect takes, for --help.
extern const char* const kExpectHelp;

/// Compares `outputs` with one --expect: NAME=F.npy[:TOLERANCE], an output and its values; or F.safetensors[:TOLERANCE],
/// whose every tensor is an output. Two values agree where they differ by at most TOLERANCE (0 if not given), for values
/// above 1 by that part of them; NaN agrees with NaN. Returns "" or what differs, line by line, the first elements too.
/// Throws Error for a file that cannot be read, an output that is not there, and another shape.
std::string unexpected(const std::string& text, llvm::ArrayRef<FileTensor> outputs);

}  // namespace tenon::cli
