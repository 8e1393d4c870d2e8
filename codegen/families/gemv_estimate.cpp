// gemv_estimate.cpp: what a product of few rows costs: weights at the rate of DRAM, as far as enough loads are
// under way on every SM, and the arithmetic that a block does once they are there.
#include <algorithm>
#include <cmath>

#include "codegen/families/gemm_configs.h"
#include "codegen/families/gemv_configs.h"

namespace tenon {
namespace {

// Fitted to an H200 (a graph of launches, weights beyond L2): 1.6 to 2 us beside the bytes, which a card's
// launch_us holds already.
constexpr double kLatencyUs = 1.2;   // from a block's first load to the last store, its loads' places empty
constexpr double kRoundUs = 0.04;    // that a block's own threads take for a round
constexpr double kWarpUs = 0.005;    // for the sums of each warp of a block to be added
constexpr double kBlockUs = 0.0012;  // to hand one more block to an SM that has one
constexpr double kIdleUs = 0.4;      // of SMs without a block: the others' loads queue
constexpr double kLateUs =
    0.8;  // of blocks that find no place at first: their loads start when others are done
constexpr double kLaterUs = 0.4;    // of loads for which a thread has no registers at first
constexpr int kFewWaves = 3;        // beyond, blocks come and go all the time, and loads are always under way
constexpr double kSliceUs = 2.0;    // partial sums out, fences and a ticket, and in again
constexpr double kIssued = 0.45;    // of a lane's slots, between waiting for loads
constexpr double kNotHidden = 0.7;  // of a wave's arithmetic: its blocks first wait and then compute
constexpr double kL1BytesPerClock = 128, kLanesPerClock = 128;  // of an SM

/// Of DRAM's rate, by the neighbouring bytes that a warp's load takes of a line.
double rate_of_runs(const GemvConfig& c, int weight_bits) {
  constexpr int kWhole = 128, kHalf = 64;
  constexpr double kHalfRate = 0.85;  // measured, of fragments of tensor cores
  const bool along_k = c.b_contiguous == Contiguous::k;
  const int threads = along_k ? (c.tensor_cores ? 4 : c.lanes) : c.groups;
  const int run = threads * (along_k ? c.depth : c.columns) * weight_bits / 8;
  if (run >= kWhole) return 1;
  return run >= kHalf ? kHalfRate : kHalfRate * run / kHalf;
}

/// Quantised weights on tensor cores, the integers going there as they lie: two at a time shifted, masked and joined to a
/// power of two; an mma takes 16 slots of each lane and meets 8 of its weights, once for each right operand, and the one
/// that takes the zeros away serves all of a thread's lines. Counted in the text that NVRTC makes for sm_90a.
double instructions_of_groups(const GemvConfig& c, int weight_bits) {
  const double pieces = weight_bits == 8 ? 2 : 1, operands = c.rows * c.parts() / 8.0,
               lines = double(c.columns) * c.products;
  const double row_sums = c.row_sums == RowSums::none ? 0 : c.row_sums == RowSums::squares ? 2 : 4;
  const double vector = 0.9 * pieces + operands * (0.5 + row_sums) / lines + (10 + 2 * operands) / c.depth,
               tensor = pieces * operands * (1 + 2 / lines);
  return std::max(vector + tensor / 8, tensor);
}

/// Instructions of a lane for each element of B: widened, multiplied with every row; rows are widened once for
/// all lines of a thread.
double instructions_per_weight(const GemvConfig& c, int weight_bits) {
  const double lines = double(c.columns) * c.products;
  const double row_sums = c.row_sums == RowSums::none ? 0 : c.row_sums == RowSums::squares ? 1 : 3;
  const bool quantised =
      weight_bits < 8 * c.element_bytes;  // its bits taken out, made a float, scaled (and rounded)
  if (c.group > 0) return instructions_of_groups(c, weight_bits);
  if (c.tensor_cores)
    return (quantised                         ? 4.5
            : c.b_contiguous == Contiguous::k ? 0.2
                                              : 0.8) +
           std::floor(c.rows / 8.0) * (1 + 2 * row_sums) / lines;
  const double widen = c.element_bytes == 4 ? 0 : 1;
  return (quantised ? 4 : widen) + c.rows + c.rows * (widen + row_sums) / lines;
}

}  // namespace

Estimate estimate_gemv(const ProductProblem& problem, const GemvChoice& choice, const Region& region,
                       const Target& target) {
  const GemvConfig& c = choice.config;
  const Card& card = target.card;
  Estimate estimate;
  count_work(region, estimate);
  estimate.basis = card.basis;
  estimate.uncertainty = card.uncertainty;

  const double k = double(problem.k.extent()), blocks = double(choice.tiles) * c.slices;
  const double block_weights = double(c.products) * c.block_n() * k / c.slices;
  const int bits = problem.b[0].bits;
  const double rows = c.group > 0 ? std::min<double>(c.rows, double(problem.m.extent())) : c.rows;  // read
  const double weight_bytes = blocks * block_weights * bits / 8,
               row_bytes = blocks * rows * k / c.slices * c.element_bytes,
               partials = c.slices > 1 ? 2.0 * blocks * c.partial_floats() * 4 : 0;
  const int line_elements = c.b_contiguous == Contiguous::k ? c.depth : c.columns;
  const double resident =
      std::clamp<double>(std::min(card.registers_per_sm / (c.threads() * gemv_registers(c, bits)),
                                  card.threads_per_sm / c.threads()),
                         1, 32);
  const double blocks_per_sm = std::ceil(blocks / card.sms), filled = blocks / (blocks_per_sm * card.sms);
  const double under_way = std::min(resident, blocks_per_sm) * c.threads() * c.rounds * c.lines() *
                           c.products * line_elements * bits / 8;
  // An SM takes its share of what L2 gives to all of them, and no more where the others are idle.
  const double l1_gb_s = kL1BytesPerClock * card.clock_ghz * card.sms,
               streamed_gb_s = std::min(under_way / kLatencyUs * card.sms / 1e3, card.l2_gb_s);
  const double dram_gb_s = card.dram_gb_s * card.dram_efficiency * rate_of_runs(c, bits);

  const double dram_bytes = double(estimate.bytes_read + estimate.bytes_written);
  const double dram = dram_bytes / (dram_gb_s * 1e3);
  const double stream = blocks > 0 ? weight_bytes / filled / (streamed_gb_s * 1e3) : 0;
  const double l2 = (weight_bytes + row_bytes + partials) / (card.l2_gb_s * 1e3);
  // What a thread reads of the rows, from L1, for each line.
  const double rows_per_line = (c.tensor_cores ? c.rows / 8 : c.rows) / (double(c.lines()) * c.products);
  const double l1_bytes = weight_bytes * (1 + rows_per_line);
  const double l1 = blocks > 0 ? l1_bytes / filled / (l1_gb_s * 1e3) : 0;
  const double lanes_per_us = kLanesPerClock * card.clock_ghz * 1e3 * card.sms;
  const double instructions = instructions_per_weight(c, bits);
  const double issue = blocks > 0 ? blocks * block_weights * instructions / filled / lanes_per_us : 0;
  const double arithmetic = issue / kIssued;
  const double rounds = std::ceil(k / c.round_k() / c.slices),
               waves = std::max(1.0, std::ceil(blocks_per_sm / resident));
  const double exposed = kNotHidden * issue / waves;
  const double threads = kRoundUs * rounds * waves + kWarpUs * c.warps_k();
  const double slices = c.slices > 1 ? kSliceUs : 0;
  const bool along_k = c.b_contiguous == Contiguous::k;  // what these were measured of
  const double handing = waves > 1 || !along_k ? 0
                         : blocks < card.sms   ? kIdleUs * (1 - blocks / card.sms)
                                               : kBlockUs * (blocks - card.sms);
  const double late = waves > kFewWaves || !along_k ? 0
                      : waves > 1                   ? kLateUs
                      : rounds > c.rounds           ? kLaterUs
                                                    : 0;

  estimate.terms = {
      {"launch", card.launch_us, "a kernel boundary, the first line in and the last store out"},
      {"DRAM", dram, megabytes_at(dram_bytes, dram_gb_s)},
      {"stream", stream,
       decimal(under_way / 1024, 0) + " KiB under way on an SM, " + decimal(filled * 100, 0) + " % filled"},
      {"L2", l2, megabytes_at(weight_bytes + row_bytes + partials, card.l2_gb_s)},
      {"L1", l1, megabytes_at(l1_bytes, l1_gb_s)},
      {"arithmetic", arithmetic, decimal(instructions, 1) + " instructions a weight"},
      {"exposed", exposed, "the last blocks' arithmetic, with nothing left to load"},
      {"threads", threads,
       decimal(rounds, 0) + " rounds of " + decimal(waves, 0) + " blocks one after the other"},
      {"handing", handing, decimal(blocks, 0) + " blocks, " + decimal(resident, 0) + " at a time on an SM"},
      {"late", late, "loads that cannot be under way from the start"},
      {"slices", slices, "the last of " + std::to_string(c.slices) + " blocks adds up"}};
  estimate.us = card.launch_us + std::max({dram, stream, l2, l1, arithmetic}) + exposed + threads + handing +
                late + slices;
  return estimate;
}

}  // namespace tenon
