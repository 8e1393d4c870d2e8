// generation_checks.h: what makes a generation impossible, told before anything runs.
#pragma once
#include "runtime/generation.h"
#include "runtime/generation_graphs.h"

namespace tenon {

/// `step` is the model's graph for one token; `start` is the position of each row's first token. Throws Error, as
/// Generation's constructor says.
void check_generation(const Graph& step, const Prompts& prompts, llvm::ArrayRef<int64_t> start,
                      const GenerationOptions& options);

/// Throws Error where an input or a state, but for the ports, is of another type in `a` than in `b`, two graphs of one
/// model for other numbers of tokens.
void check_same_sources(const Graph& a, const Graph& b);

/// Ids that the model's `tokens` may be: those of the smallest table that they index; nothing where they index none.
std::optional<int64_t> id_bound(const Graph& model);

}  // namespace tenon
