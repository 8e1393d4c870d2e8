// gemv_estimate.cpp: what a product of few rows costs: weights at the rate of DRAM, as far as enough loads are
// under way on every SM.
#include <algorithm>
#include <cmath>

#include "codegen/families/gemm_configs.h"
#include "codegen/families/gemv_configs.h"

namespace tenon {
namespace {

constexpr double kFillUs =
    1.2;  // the first line's way from DRAM, the sums' through a block, the store's back
constexpr double kLatencyUs = 0.8;  // of a load from DRAM when many are under way
constexpr double kSliceUs = 0.9;    // partial sums out, a ticket, and in again
constexpr double kL2BytesPerClock = 64, kL1BytesPerClock = 128, kLanesPerClock = 128;  // of an SM
constexpr double kNotHidden = 0.01;  // of what the slowest resource should hide
constexpr double kIssued = 0.7;      // of all slots

/// Instructions of a lane for each element of B: widened, multiplied with every row; rows are widened once for
/// all lines of a thread.
double instructions_per_weight(const GemvConfig& c) {
  const double lines = double(c.columns) * c.products;
  const double row_sums = c.row_sums == RowSums::none ? 0 : c.row_sums == RowSums::squares ? 1 : 3;
  if (c.tensor_cores)
    return (c.b_contiguous == Contiguous::k ? 0.2 : 0.8) + c.rows / 8 * (1 + 2 * row_sums) / lines;
  const double widen = c.element_bytes == 4 ? 0 : 1;
  return widen + c.rows + c.rows * (widen + row_sums) / lines;
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
  const double weight_bytes = blocks * block_weights * c.element_bytes,
               row_bytes = blocks * c.rows * k / c.slices * c.element_bytes,
               partials = c.slices > 1 ? 2.0 * blocks * c.partial_floats() * 4 : 0;
  const int line_elements = c.b_contiguous == Contiguous::k ? c.depth : c.columns;
  const double resident =
      std::clamp<double>(std::min(card.registers_per_sm / (c.threads() * (gemv_registers(c) + 8)),
                                  card.threads_per_sm / c.threads()),
                         1, 32);
  const double blocks_per_sm = std::ceil(blocks / card.sms), filled = blocks / (blocks_per_sm * card.sms);
  const double under_way = std::min(resident, blocks_per_sm) * c.threads() * c.rounds * c.lines() *
                           c.products * line_elements * c.element_bytes;
  const double l2_gb_s = kL2BytesPerClock * card.clock_ghz * card.sms,
               l1_gb_s = kL1BytesPerClock * card.clock_ghz * card.sms,
               streamed_gb_s = std::min(under_way / kLatencyUs * card.sms / 1e3, l2_gb_s);
  const double dram_gb_s = card.dram_gb_s * card.dram_efficiency;

  const double dram_bytes = double(estimate.bytes_read + estimate.bytes_written);
  const double dram = dram_bytes / (dram_gb_s * 1e3);
  const double stream = blocks > 0 ? weight_bytes / filled / (streamed_gb_s * 1e3) : 0;
  const double l2 = (weight_bytes + row_bytes + partials) / (card.l2_gb_s * 1e3);
  // What a thread reads of the rows, from L1, for each line.
  const double rows_per_line = (c.tensor_cores ? c.rows / 8 : c.rows) / (double(c.lines()) * c.products);
  const double l1_bytes = weight_bytes * (1 + rows_per_line);
  const double l1 = blocks > 0 ? l1_bytes / filled / (l1_gb_s * 1e3) : 0;
  const double lanes_per_us = kLanesPerClock * kIssued * card.clock_ghz * 1e3 * card.sms;
  const double arithmetic =
      blocks > 0 ? blocks * block_weights * instructions_per_weight(c) / filled / lanes_per_us : 0;
  const double slices = c.slices > 1 ? kSliceUs : 0;

  estimate.terms = {
      {"launch", card.launch_us, "a kernel boundary"},
      {"DRAM", dram, megabytes_at(dram_bytes, dram_gb_s)},
      {"stream", stream,
       decimal(under_way / 1024, 0) + " KiB under way on an SM, " + decimal(filled * 100, 0) + " % filled"},
      {"L2", l2, megabytes_at(weight_bytes + row_bytes + partials, card.l2_gb_s)},
      {"L1", l1, megabytes_at(l1_bytes, l1_gb_s)},
      {"arithmetic", arithmetic, decimal(instructions_per_weight(c), 1) + " instructions a weight"},
      {"slices", slices, "the last of " + std::to_string(c.slices) + " blocks adds up"},
      {"fill", kFillUs, "the first line in, the last store out"}};
  const double slowest = std::max({dram, stream, l2, l1, arithmetic});
  estimate.us = card.launch_us + kFillUs + slices + slowest +
                kNotHidden * (dram + stream + l2 + l1 + arithmetic - slowest);
  return estimate;
}

}  // namespace tenon
