// output_file.h: how results reach the paths that a user names.
#pragma once
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

namespace tenon {

/// Puts what `write` streams at `path`. A file appears whole or not at all: it is written beside and renamed. What is no file (a
/// device, a pipe) stays what it is and is written to; a link stays a link. Throws Error with the path: of Status::kMachineCannot
/// where writing fails, such as on a full disk.
void write_output(llvm::StringRef path, llvm::function_ref<void(llvm::raw_ostream&)> write);

}  // namespace tenon
