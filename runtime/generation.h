// generation.h: tokens one after another: the prompts in one run or a few, then one program run once a token,
// whose token, position and history stay on the device.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "codegen/plan.h"
#include "runtime/binding.h"
#include "runtime/device.h"

namespace tenon {

/// Rows of tokens, padded on the right: row b is tokens[b, 0 .. lengths[b]).
struct Prompts {
  int64_t rows = 0, width = 0;
  std::vector<int64_t> tokens;   ///< [rows, width]
  std::vector<int64_t> lengths;  ///< [rows], each in 1..width
};

/// Tokens drawn by the op `sample`; its position is that of the token whose logits it reads.
struct Sampling {
  double temperature = 1;
  int64_t top_k = 0;  ///< 0: all
  double top_p = 1;
  uint64_t seed = 0;
};

struct GenerationOptions {
  int64_t steps = 0;                 ///< runs of one token after the prompts; a row gets steps + 1 tokens
  int64_t chunk = 0;                 ///< tokens of the prompts in a run at most; 0: all of them
  std::vector<int64_t> stop;         ///< a row that gets one of these is finished
  std::optional<Sampling> sampling;  ///< greedy without
  bool keep_logits = false;
  /// May be empty: called with all tokens [B, n] so far, what follows a row's stop token among them, after the prompts and
  /// then about ten times a second.
  std::function<void(llvm::ArrayRef<int64_t> tokens)> watch;
};

/// A model on a device, with its tensors. The model has inputs `tokens` [B, T] and `position` (scalar, [B] or
/// [B, 1]: tokens already in the caches) and an output `logits` [B, T, V]; no other input's shape depends on T.
struct GenerationModel {
  std::shared_ptr<Device> device;
  /// The model's graph for T tokens a row.
  std::function<std::unique_ptr<Graph>(int64_t tokens)> build;
  /// The plan of a graph for the device; not called where the device needs none.
  std::function<std::shared_ptr<const Plan>(std::unique_ptr<Graph>)> plan;
  /// All weights and states, and every input but `tokens`; `position` is where the rows begin.
  Binding binding;
  std::function<void()> after_run;  ///< may be empty: called after each program's run, to look at the device
};

struct Generated {
  /// i64 [B, n + 1], the first column from the prompts' own logits; n is `steps`, or fewer when all rows finished. A row
  /// that has finished repeats its stop token.
  Tensor tokens;
  Tensor prefill_logits;        ///< [B, T, V]; of kept logits alone. Beyond a row's length they mean nothing.
  Tensor decode_logits;         ///< [B, n, V]; of kept logits alone
  std::vector<int64_t> next;    ///< [B]: where the row's last token will stand, which is in no cache yet
  double prefill_us = 0;        ///< to the first tokens at hand
  double decode_us = 0;         ///< of all steps that ran
  int64_t decode_steps = 0;     ///< that ran: up to 15 more than n, for the host looks at tokens now and then
  int64_t decode_launches = 0;  ///< kernels and copies of one step; 0 on a device without kernels
};

/// One generation. The model's graph is built for the prompts' chunks and for one token; weights and states are held
/// once.
///
/// Ragged rows: a run computes padding like tokens, and so writes it to the caches; a row's own later tokens overwrite
/// it, each before a causal query of its position or beyond reads it. The first token of row b is taken from logits
/// [b, lengths[b] - 1], and its decoding goes on at lengths[b]: that needs a `position` for each row.
class Generation {
 public:
  /// Throws Error, before anything runs: a model without that interface, tokens outside the table that they index, rows
  /// that the caches or a table of positions cannot hold, unequal lengths under a scalar position, stop tokens outside the
  /// vocabulary, numbers outside their ranges.
  Generation(GenerationModel model, Prompts prompts, GenerationOptions options);
  ~Generation();
  Generated run();
  TensorMap state() const;  ///< of the model's own states

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon
