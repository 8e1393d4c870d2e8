// safetensors.h: tensors by name in one file, or in shards that an index names. Files are mapped, not read.
#pragma once
#include <utility>
#include <vector>

#include "llvm/ADT/ArrayRef.h"
#include "runtime/file_tensor.h"

namespace tenon {

/// Reads F.safetensors, an F.safetensors.index.json with its shards, or a folder with either (one index, or
/// all *.safetensors in it). Everything in a header is checked against the file: a truncated file, offsets
/// that lie, overlap or leave holes, sizes that contradict shapes, names that stand twice. Throws Error.
FileTensors read_safetensors(llvm::StringRef path);

/// Writes a file beside `path` and renames it at the end, so that `path` is the old file or the whole new
/// one. Throws Error.
void write_safetensors(llvm::StringRef path, llvm::ArrayRef<std::pair<std::string, Tensor>> tensors);
void write_file_tensors(llvm::StringRef path, llvm::ArrayRef<FileTensor> tensors);

}  // namespace tenon
