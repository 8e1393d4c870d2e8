// generation_graphs.h: a model's graph with what choosing tokens adds to it: of a prompt, and of one token.
#pragma once
#include <memory>

#include "ir/graph.h"

namespace tenon {

/// The values by which a model generates.
struct GenerationPorts {
  Node* tokens = nullptr;    ///< i32 or i64 [B, T]
  Node* position = nullptr;  ///< i32 or i64: a scalar, [B] or [B, 1]
  Value* logits = nullptr;   ///< a float [B, T, V]
  int64_t rows() const { return logits->type().shape[0].extent(); }
  int64_t width() const { return logits->type().shape[1].extent(); }
  int64_t vocabulary() const { return logits->type().shape[2].extent(); }
};

/// Throws Error where the model has no such inputs and output.
GenerationPorts generation_ports(const Graph& model);

/// Names that no model can declare.
namespace generation {
constexpr char kRows[] =
    "generate.rows";  ///< input i64 [B]: the row of logits [B * T, V] that each token comes from
constexpr char kDrawPosition[] = "generate.draw_position";  ///< input i64 [B]: of that token, for `sample`
constexpr char kSettings[] = "generate.settings";           ///< input f32 [2]: temperature, top_p
constexpr char kLimits[] = "generate.limits";               ///< input i64 [2]: top_k, seed
constexpr char kToken[] = "generate.token";  ///< state of the type of `tokens` at T = 1: what is read next
constexpr char kPosition[] = "generate.position";  ///< state of the type of `position`: where it stands
constexpr char kHistory[] =
    "generate.history";  ///< state [B, 1, n, 1] of the type of tokens: at p, the token chosen after the one at p
constexpr char kStart[] = "generate.start";    ///< input of the type of `position`: of the first kept logits
constexpr char kLogits[] = "generate.logits";  ///< state [B, 1, steps, V]: logits of each step
}  // namespace generation

/// The model with its only outputs "chosen", i64 [B], and, where kept, "logits". New inputs: kRows, and where the choice
/// is `sampled` kDrawPosition, kSettings and kLimits.
std::unique_ptr<Graph> prefill_graph(const Graph& model, bool sampled, bool keep_logits);

/// The model (at T = 1) as a step that feeds itself: `tokens` and `position` are states that it advances, chosen tokens go
/// to kHistory of `history` places, logits (where `logit_steps` is not 0) to kLogits. It has no output. New inputs:
/// kSettings and kLimits where `sampled`, kStart where logits are kept.
std::unique_ptr<Graph> decode_graph(const Graph& model, bool sampled, int64_t history, int64_t logit_steps);

}  // namespace tenon
