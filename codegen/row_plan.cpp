// row_plan.cpp: widths, threads and registers of row kernels, and what they cost.
#include "codegen/row_plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "passes/quantity.h"

namespace tenon {
namespace {

constexpr int kVectorBytes = 16, kMaxWidth = 8, kMaxLanes = 32;
constexpr int kBlockThreads = 256, kMaxRowThreads = 1024, kStreamThreads = 512;
constexpr int kSpareRegisters = 32;                             // indices, pointers, the arithmetic's own
constexpr double kLatencyUs = 0.8;                              // from a load to its use, memory busy
constexpr double kBlockMeetingUs = 0.1, kWarpMeetingUs = 0.02;  // threads reducing together
constexpr int kUnrolled = 2;  // chunks that a streaming thread has in flight
constexpr double kJoinUs =
    2.0;  // blocks that share a row: fences and a ticket, what the others left read in (as measured of gemv)

int last_long_axis(const IndexSpace& space) {
  for (int v = space.axis_count() - 1; v >= 0; --v)
    if (space.variables[static_cast<size_t>(v)].extent.extent() != 1) return v;
  return space.axis_count() - 1;
}

int64_t power_of_two_above(int64_t n) {
  int64_t p = 1;
  while (p < n) p *= 2;
  return p;
}

/// Lanes along `lane`: the extent is a multiple, and what is stored and not strided can move as vectors.
int legal_width(const PullProgram& program, int lane, bool strided_allowed) {
  int64_t bytes = kVectorBytes;
  int width = kMaxWidth;
  const auto meet = [&](const Affine& index, DType type, bool is_store) {
    const int64_t along = index.coefficient(lane);
    if (along == 1) bytes = std::min(bytes, size_of(type));
    if (along != 0 && along != 1 && (is_store || !strided_allowed)) width = 1;
  };
  for (const PullStep& step : program.steps)
    if (step.kind == PullStep::kLoad) meet(step.index, step.value->type().dtype, false);
  for (const PullStore& store : program.stores) meet(store.index, store.target->type().dtype, true);
  width = std::min(width, static_cast<int>(kVectorBytes / bytes));
  const int64_t extent = lane < 0 ? 1 : program.space.variables[static_cast<size_t>(lane)].extent.extent();
  while (width > 1 && extent % width != 0) width /= 2;
  return width;
}

/// Registers of a thread at this size of a block.
int registers(const Card& card, int threads) {
  return std::min(255, card.registers_per_sm / threads / 8 * 8);
}

Candidate candidate(const Region& region, const RowPlan& plan, const Target& target, RowChoice choice) {
  const Card& card = target.card;
  const RowConfig& config = choice.config;
  Candidate c;
  c.implementation = "generated";
  const char* const kForms[] = {"resident", "streamed", "columns"};
  c.config = std::string(kForms[static_cast<int>(choice.form)]) + " " + std::to_string(config.width) + "x" +
             std::to_string(config.vectors) + " " + std::to_string(config.threads_per_row) + "x" +
             std::to_string(config.rows) +
             (config.slices > 1 ? " split " + std::to_string(config.slices) : std::string());
  const int lanes = config.width * config.vectors;
  if (choice.form == RowForm::kResident &&
      lanes * plan.live + kSpareRegisters > registers(card, config.threads()))
    c.why_not = "would spill: the row does not fit in registers";
  count_work(region, c.estimate);
  const double bytes = static_cast<double>(c.estimate.bytes_read + c.estimate.bytes_written);
  const bool streamed = choice.form != RowForm::kResident;
  const int passes =
      config.slices > 1 ? 1 : plan.passes;  // a shared row has one reduction and no more to pass over
  const double again = streamed ? static_cast<double>(c.estimate.bytes_read) * (passes - 1) : 0;
  const double blocks = std::ceil(static_cast<double>(plan.rows.extent()) / config.rows) * config.slices;
  const double rounds = std::ceil(blocks / (card.sms * std::max(1, card.threads_per_sm / config.threads())));
  const double steps =
      streamed
          ? std::ceil(static_cast<double>(plan.columns.extent()) /
                      (config.slices * config.threads_per_row * (plan.column ? 1 : config.width) * kUnrolled))
          : 1;
  const double waiting = rounds * (streamed ? passes * steps : 1) * kLatencyUs;
  const double meeting =
      rounds * (plan.passes - 1) * (config.threads_per_row > 32 ? kBlockMeetingUs : kWarpMeetingUs);
  const double rate = card.dram_gb_s * card.dram_efficiency;
  const double dram = bytes / (rate * 1e3), l2 = again / (card.l2_gb_s * 1e3);
  const double arithmetic = static_cast<double>(c.estimate.flops) / (card.f32_tflops * 1e6);
  c.estimate.terms = {
      {"launch", card.launch_us, "a kernel boundary"},
      {"DRAM", dram, tell_bytes(bytes) + " at " + std::to_string(static_cast<int64_t>(rate)) + " GB/s"},
      {"L2", l2, tell_bytes(again) + " read again"},
      {"latency", waiting, tell_count(static_cast<int64_t>(rounds), "round of blocks", "rounds of blocks")},
      {"reductions", meeting, std::to_string(plan.passes - 1) + " in each row"},
      {"arithmetic", arithmetic, tell_flops(static_cast<double>(c.estimate.flops))}};
  const double joining = config.slices > 1 ? kJoinUs : 0;
  if (config.slices > 1)
    c.estimate.terms.push_back(
        {"slices", joining,
         "the last of " + std::to_string(config.slices) + " blocks joins what they found"});
  c.estimate.us = card.launch_us + std::max({dram + l2, waiting, arithmetic}) + meeting + joining;
  c.estimate.basis = card.basis;
  c.details = choice;
  return c;
}

/// True where blocks can share a row: one reduction of it, then one value to store.
bool shareable(const RowPlan& plan) {
  const auto along = [&](const PullStore& store) {
    return llvm::any_of(store.index.terms, [&](const auto& term) { return plan.reduced >> term.first & 1; });
  };
  const auto reductions =
      llvm::count_if(plan.program.steps, [](const PullStep& step) { return step.kind == PullStep::kReduce; });
  return !plan.column && reductions == 1 && llvm::none_of(plan.program.stores, along);
}

}  // namespace

RowPlan plan_rows(const Region& region) {
  RowPlan plan;
  plan.program = pull_rows(*region.body, plan.reduced);
  if (!plan.program.refusal.empty()) return plan;
  uint64_t keep_apart = 0;
  for (int v = 0; v + 1 < plan.program.space.axis_count(); ++v)
    if ((plan.reduced >> v & 1) != (plan.reduced >> (v + 1) & 1)) keep_apart |= uint64_t{1} << v;
  merge_axes(plan.program, keep_apart);
  const IndexSpace& space = plan.program.space;
  const int lane = last_long_axis(space);
  plan.column = lane >= 0 && !(plan.reduced >> lane & 1) && plan.reduced != 0;
  for (int v = 0; v < space.axis_count(); ++v)
    (plan.reduced >> v & 1 ? plan.columns : plan.rows) =
        (plan.reduced >> v & 1 ? plan.columns : plan.rows) * space.variables[static_cast<size_t>(v)].extent;
  if (plan.reduced == 0) {  // rows of one element
    plan.width = 1;
  } else {
    plan.width = legal_width(plan.program, lane, !plan.column);
    if (plan.column) plan.rows = floor_div(plan.rows, Dim(plan.width));
  }
  for (const Node& node : plan.program.body->nodes())
    for (int i = 0; i < node.result_count(); ++i) plan.wide |= node.type(i).elements() > INT32_MAX / 2;
  for (const PullStep& step : plan.program.steps) {
    if (step.kind == PullStep::kReduce) ++plan.passes;
    if (step.kind == PullStep::kLoad &&
        llvm::any_of(step.index.terms, [&](const auto& term) { return plan.reduced >> term.first & 1; }))
      ++plan.live;
  }
  return plan;
}

std::vector<Candidate> row_candidates(const Region& region, const RowPlan& plan, const Target& target) {
  std::vector<Candidate> all;
  const auto offer = [&](RowForm form, RowConfig config) {
    all.push_back(candidate(region, plan, target, {form, config}));
  };
  const int64_t columns = plan.columns.extent();
  if (plan.column) {
    const int along =
        static_cast<int>(std::min<int64_t>(32, power_of_two_above(std::max<int64_t>(columns / 4, 1))));
    offer(RowForm::kStreamedColumn,
          {.width = plan.width, .vectors = 1, .threads_per_row = along, .rows = kBlockThreads / along});
    return all;
  }
  int reduced_axes = 0;
  for (int v = 0; v < plan.program.space.axis_count(); ++v)
    reduced_axes +=
        (plan.reduced >> v & 1) && plan.program.space.variables[static_cast<size_t>(v)].extent.extent() != 1;
  const int streaming = static_cast<int>(
      std::min<int64_t>(kStreamThreads, std::max<int64_t>(32, power_of_two_above(columns / plan.width))));
  offer(RowForm::kStreamed, {.width = plan.width, .vectors = 1, .threads_per_row = streaming, .rows = 1});
  for (int slices : {8, 16, 32})
    if (shareable(plan) && slices * plan.rows.extent() <= target.card.sms &&
        columns >= int64_t{slices} * streaming * plan.width)
      offer(RowForm::kStreamed,
            {.width = plan.width, .vectors = 1, .threads_per_row = streaming, .rows = 1, .slices = slices});
  for (int vectors = 1; vectors * plan.width <= kMaxLanes && reduced_axes <= 1; vectors *= 2) {
    const int64_t threads = power_of_two_above((columns + vectors * plan.width - 1) / (vectors * plan.width));
    if (threads > kMaxRowThreads) continue;
    const int per_row = static_cast<int>(std::max<int64_t>(threads, 1));
    offer(RowForm::kResident, {.width = plan.width,
                               .vectors = vectors,
                               .threads_per_row = per_row,
                               .rows = per_row <= 32 ? kBlockThreads / 2 / per_row : 1});
    if (threads == 1) break;
  }
  return all;
}

}  // namespace tenon
