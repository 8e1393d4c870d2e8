// npy.h: NumPy's file of one array (format versions 1 to 3).
#pragma once
#include "runtime/file_tensor.h"

namespace tenon {

/// Reads F.npy: little-endian booleans, integers and floats in C order; the file is mapped. Throws Error for
/// a truncated or malformed file, big-endian data, Fortran order, and types that a model does not know.
FileTensor read_npy(llvm::StringRef path);

}  // namespace tenon
