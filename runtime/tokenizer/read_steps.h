// read_steps.h: what the parts of a tokenizer.json have in common: sequences of steps, and patterns.
#pragma once
#include <string>

#include "llvm/ADT/STLFunctionalExtras.h"
#include "runtime/tokenizer/file_part.h"
#include "runtime/tokenizer/pattern.h"

namespace tenon::tokenizer {

/// {"String": ".."} or {"Regex": ".."}
Pattern pattern_of(const FilePart& part);

/// Calls `body` with each step and its type: the part itself, or, where it is a Sequence, the steps below `key`, nested ones
/// too. Nothing where the part is not given.
void each_step(const FilePart& part, const std::string& key,
               llvm::function_ref<void(const FilePart& step, const std::string& type)> body);

}  // namespace tenon::tokenizer
