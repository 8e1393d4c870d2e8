// gemm_estimate.cpp: what a tiled product costs: the slowest of the resources that all blocks share, over the
// part of the card that the grid fills, and on top of it what one block cannot hide.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "codegen/families/gemm_configs.h"

namespace tenon {
namespace {

constexpr double kFillUs = 1.5;  // the first tile's way from DRAM, and the last store's back
constexpr double kSharedBytesPerClock = 128;
constexpr double kWidening = 10;      // flops' time for each element that is made of an integer
constexpr double kTileUs = 0.8;       // from a tile's loads to its integers, fitted to an H200 at 16 rows
constexpr double kWidenedUs = 0.022;  // and for each element that a thread then widens
constexpr double kBlocksToSaturate = 0.5;  // of the SMs, for full DRAM rate

/// Bytes that one block moves between global and shared memory, and between shared memory and registers.
struct BlockTraffic {
  double copied = 0, read = 0, staged = 0;
};

BlockTraffic traffic_of(const GemmConfig& c, double k) {
  const double rows = c.block_m, cols = double(c.products) * c.block_n;
  BlockTraffic traffic;
  traffic.copied = (rows + cols) * k * c.element_bytes;
  // Each warp (or each thread's quarter-warp) reads its rows and columns of every tile.
  const double across = double(c.block_n) / c.part_n, down = double(c.block_m) / c.part_m;
  traffic.read = c.lanes() == 32 ? (rows * across + cols * down) * k * c.element_bytes
                                 : (rows * across + cols * down) * k * c.element_bytes /
                                       8;  // lanes of one row share a read
  traffic.staged = 2.0 * rows * cols * 4;
  return traffic;
}

double tail_flops(const ProductProblem& problem) {
  double flops = 0;
  for (const Node* node : problem.tail)
    flops += double(info(node->op()).flops) * double(node->type().elements());
  for (const Node* node : problem.head)  // computed again for each tile column
    flops += double(info(node->op()).flops) * double(node->type().elements());
  return flops;
}

}  // namespace

std::string decimal(double value, int places) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", places, value);
  return text;
}
std::string megabytes_at(double bytes, double gb_s) {
  return decimal(bytes / 1e6, 1) + " MB at " + decimal(gb_s, 0) + " GB/s";
}

Estimate estimate_gemm(const ProductProblem& problem, const GemmChoice& choice, const Region& region,
                       const Target& target) {
  const GemmConfig& c = choice.config;
  const Card& card = target.card;
  Estimate estimate;
  count_work(region, estimate);
  estimate.basis = card.basis;
  estimate.uncertainty = card.uncertainty;

  const double k = double(problem.k.extent()), blocks = double(choice.tiles) * c.slices;
  const BlockTraffic block = traffic_of(c, k / c.slices);
  const double flops = 2.0 * double(choice.tiles) * c.block_m * c.block_n * c.products * k;
  const double tflops = card.product_tflops(problem.dtype, choice.tensor_cores) * card.generated_efficiency;
  const double sm_rounds = std::max(1.0, std::ceil(blocks / card.sms));
  const double filled = blocks / (sm_rounds * card.sms);  // of the SMs, over all rounds
  const double shared_gb_s = kSharedBytesPerClock * card.clock_ghz * card.sms;
  const double dram_gb_s =
      card.dram_gb_s * card.dram_efficiency * std::min(1.0, blocks / (kBlocksToSaturate * card.sms));
  const double partials = c.slices > 1 ? 2.0 * blocks * c.partial_floats() * 4 : 0;

  const double arithmetic = flops / (tflops * 1e6),
               shared = blocks * (block.copied + block.read) / (shared_gb_s * 1e3);
  const double l2_bytes = blocks * block.copied + partials, l2 = l2_bytes / (card.l2_gb_s * 1e3);
  const double dram_bytes = double(estimate.bytes_read + estimate.bytes_written);
  const double dram = blocks > 0 ? dram_bytes / (dram_gb_s * 1e3) : 0;
  const double widened = problem.b[0].dequantise ? double(choice.tiles) * c.block_n * c.products * k : 0;
  const double widening = kWidening * widened / (card.f32_tflops * 1e6);
  // One tile of integers is under way at a time, and then its threads widen it.
  const double steps = widened > 0 ? std::ceil(k / c.slices / c.block_k) * std::max(1.0, sm_rounds / 2) : 0;
  const double stepping =
      steps * (kTileUs + kWidenedUs * c.block_n * c.products * c.block_k / double(c.threads()));
  const double slowest = std::max({arithmetic, shared, l2, widening, stepping * filled});
  const double waves = blocks > 0 ? slowest / filled - slowest : 0;
  const double tail =
      tail_flops(problem) / (card.f32_tflops * 1e6) + blocks * block.staged / (shared_gb_s * 1e3);
  const double epilogue =
      blocks > 0 ? tail / filled / (sm_rounds >= 2 ? 2 : 1) : 0;  // the next block hides half of it

  estimate.terms = {
      {"launch", card.launch_us, "a kernel boundary"},
      {"arithmetic", arithmetic,
       decimal(flops / 1e9, 1) + " GFLOP with padding at " + decimal(tflops, 0) + " TFLOP/s"},
      {"shared memory", shared, megabytes_at(blocks * (block.copied + block.read), shared_gb_s)},
      {"L2", l2, megabytes_at(l2_bytes, card.l2_gb_s)},
      {"DRAM", dram, megabytes_at(dram_bytes, dram_gb_s)},
      {"waves", waves,
       decimal(blocks, 0) + " blocks on " + std::to_string(card.sms) + " SMs, " + decimal(filled * 100, 0) +
           " % filled"},
      {"epilogue", epilogue, "sums through shared memory, and the tail's arithmetic"},
      {"fill", kFillUs, "the first tile in, the last store out"}};
  if (widened > 0) {
    estimate.terms.push_back({"widening", widening, decimal(widened / 1e6, 1) + " M integers to floats"});
    estimate.terms.push_back(
        {"stepping", stepping, decimal(steps, 0) + " tiles of integers one after the other"});
  }
  estimate.us = card.launch_us + kFillUs + std::max(slowest + waves, dram) + epilogue;
  return estimate;
}

}  // namespace tenon
