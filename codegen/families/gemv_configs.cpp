// gemv_configs.cpp: every sensible sharing of columns and k among the threads of a block.
#include "codegen/families/gemv_configs.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "codegen/families/gemm_configs.h"

namespace tenon {
namespace {

constexpr int kLoadsUnderWay = 16;                   // of a thread; 16 bytes each
constexpr int kMostThreads = 640, kMostLanes = 512;  // with more, sums would wait for too many warps
constexpr int kMostRegisters = 200, kSpare = 40, kMostRegistersOfGroups = 176, kSpareOfGroups = 32;
constexpr int kSpareOfShortTail =
    3;  // the lines' places are free when a tail without rotary positions begins
constexpr int kMostOperandsOfGroups = 2;  // with 4 of them ptxas spilled for sm_120
constexpr int kMostRowsOfLongLoads =
    2;  // beyond, as many elements of each row as 16 bytes of integers would not fit
constexpr int kSlices[] = {1, 2, 3, 4, 6, 8};

/// Distance of the columns that rotary positions mix where all of them agree; 0: none, or not all.
int partner_of(const ProductProblem& problem) {
  if (problem.norm_head > 0) return 0;  // blocks hold whole heads
  int partner = 0;
  for (const Node* node : problem.tail) {
    if (node->op() != Op::kRope || node->attributes.flag("interleaved")) continue;
    const int64_t head_dim = node->type().shape.back().extent(),
                  half = node->attributes.integer("rotary_dim", head_dim) / 2;
    if (head_dim != 2 * half || (partner != 0 && partner != half)) return 0;
    partner = static_cast<int>(half);
  }
  return problem.n.extent() % (2 * std::max(partner, 1)) == 0 ? partner : 0;
}
bool mixes_halves(const ProductProblem& problem) {
  return llvm::any_of(problem.tail, [](const Node* node) {
    return node->op() == Op::kRope && !node->attributes.flag("interleaved");
  });
}

/// The largest power of two that divides `extent`, up to `most`.
int power_in(int64_t extent, int most) {
  while (most > 1 && extent % most != 0) most /= 2;
  return most;
}

/// Registers that a thread's rows of one round take.
int row_registers(const GemvConfig& c) {
  return c.tensor_cores ? c.rows * c.parts() * c.depth / 16
                        : c.rows * std::max(c.depth * c.element_bytes / 4, 1);
}

class Menu {
 public:
  Menu(const ProductProblem& problem, const Region& region, const Target& target)
      : problem_(problem), region_(region), target_(target), partner_(partner_of(problem)) {
    for (const Dim& extent : problem.batch) batch_ *= extent.extent();
    for (const ProductOperand& b : problem.b) b_copy_ = std::min(b_copy_, b.copy_bytes);
    along_k_ = problem.b[0].along_k;
    bits_ = problem.b[0].bits;
    if (const Node* dequantise = problem.b[0].dequantise)
      group_ = static_cast<int>(std::min<int64_t>(dequantise->attributes.integer("group"), 1 << 20));
    element_ = static_cast<int>(size_of(problem.dtype));
  }

  std::vector<Candidate> candidates() {
    const int rows = static_cast<int>(problem_.m.extent());
    add_multiply_adds(rows <= 8 ? std::max(rows, 1) : (rows + 1) / 2);
    if (problem_.dtype == DType::kF32) return std::move(best_);
    bool grouped = false;
    for (int depth : {8, 16, 32}) grouped |= add_groups(rows, depth);
    if (!grouped) add_tensor_cores(rows <= 8 ? 8 : 16);
    return std::move(best_);
  }

 private:
  GemvConfig config(int rows) const {
    GemvConfig c;
    c.rows = rows;
    c.products = static_cast<int>(problem_.products.size());
    c.element_bytes = element_;
    c.a_contiguous = problem_.a.along_k ? Contiguous::k : Contiguous::outer;
    c.b_contiguous = along_k_ ? Contiguous::k : Contiguous::outer;
    c.a_copy = problem_.a.copy_bytes;
    c.b_copy = b_copy_;
    int width = 8 * b_copy_ / bits_;  // elements of the widest load
    if (bits_ < 8 * element_ && rows > kMostRowsOfLongLoads) width = std::min(width, 16 / element_);
    if (along_k_) {
      c.depth = power_in(problem_.k.extent(), width);
    } else {
      c.columns = power_in(problem_.n.extent(), width);
      c.depth = power_in(problem_.k.extent(), 8);
    }
    // After a product of long lines (an MLP's second) short kernels follow, which bring the next large one in with them:
    // on an H200 a token of Qwen2.5 0.5B takes 517 us rather than 575. Its other products lost by letting in late.
    c.lets_in_late = problem_.k.extent() > problem_.n.extent() * c.products;
    if (problem_.moments)
      c.row_sums = problem_.moments->attributes.flag("rms") ? RowSums::squares : RowSums::moments;
    return c;
  }

  /// Threads of a group: powers of two, and what divides k into a few rounds that leave no thread without work.
  std::vector<int> lane_counts(int depth) const {
    std::vector<int> counts;
    for (int lanes : {4, 8, 16, 32, 64, 128, 256, 512})
      if (lanes == 4 || lanes / 2 * depth < problem_.k.extent()) counts.push_back(lanes);
    const int64_t loads = std::max<int64_t>(1, (problem_.k.extent() + depth - 1) / depth);
    for (int rounds : {1, 2, 3, 4}) {
      const int64_t lanes = ((loads + rounds - 1) / rounds + 31) / 32 * 32;
      if (lanes <= kMostLanes && !llvm::is_contained(counts, lanes))
        counts.push_back(static_cast<int>(lanes));
    }
    return counts;
  }

  /// Groups of a block whose columns are the fewest whole heads; none where that takes too many threads.
  std::vector<int> groups_of_heads(const GemvConfig& c) const {
    int groups = problem_.head_dim / std::gcd(problem_.head_dim, c.columns);
    while (groups * c.lanes % 32 != 0) groups *= 2;
    if (groups * c.lanes > 512) return {};
    return {groups};
  }

  /// Groups of a block: small blocks, and blocks of which each SM has one, with an equal part of all columns.
  std::vector<int> group_counts(const GemvConfig& c) const {
    if (problem_.norm_head > 0) return groups_of_heads(c);
    std::vector<int> counts;
    for (int groups = std::max(1, 128 / c.lanes); groups >= 1 && groups * c.lanes >= 32; groups /= 2)
      counts.push_back(groups);
    const int64_t all = (problem_.n.extent() + c.columns - 1) / c.columns;
    const int whole = std::max(1, 32 / c.lanes) * (c.columns == 1 ? 2 : 1);  // warps, and even columns
    const int64_t groups =
        ((all * batch_ + target_.card.sms - 1) / target_.card.sms + whole - 1) / whole * whole;
    if (groups * c.lanes <= kMostThreads && !llvm::is_contained(counts, groups))
      counts.push_back(static_cast<int>(groups));
    return counts;
  }

  void add_multiply_adds(int rows) {
    GemvConfig c = config(rows);
    if (along_k_) {
      for (int columns : {1, 2, 4, 8}) {
        c.columns = columns;
        begin_kind();
        for (int lanes : lane_counts(c.depth)) {
          c.lanes = lanes;
          for (int groups : group_counts(c)) {
            c.groups = groups;
            try_slices(c);
          }
        }
        end_kind();
      }
    } else {
      begin_kind();
      for (int groups : {1, 2, 4, 8, 16, 32})
        for (int threads : {64, 128, 256}) {
          c.groups = groups;
          c.lanes = threads / groups;
          try_slices(c);
        }
      end_kind();
    }
  }

  void add_tensor_cores(int rows) {
    GemvConfig c = config(rows);
    c.depth = std::min(c.depth, 8);  // of quantised lines no more than fragments take
    c.columns = std::min(c.columns, 8);
    c.tensor_cores = true;
    c.groups = 8;
    for (int columns : {2, 4, 8, 16, 32}) {
      if ((!along_k_ && columns != 8) || (columns > 8 && problem_.norm_head == 0)) continue;
      if (along_k_) c.columns = columns;
      begin_kind();
      for (int warps : {1, 2, 4, 8, 16}) {
        c.lanes = 4 * warps;
        try_slices(c);
      }
      end_kind();
    }
  }

  /// Quantised weights on tensor cores, `depth` of a lane's neighbours at a time. False where groups and lines cannot be cut
  /// so.
  bool add_groups(int rows, int depth) {
    GemvConfig c = config(rows);
    c.depth = depth;
    c.group = group_;
    const int bits = depth * bits_, span = 4 * depth, whole = std::max(group_, span);
    if (!along_k_ || group_ == 0 || bits % 32 != 0 || bits > 8 * b_copy_ || problem_.k.extent() % span != 0 ||
        group_ % depth != 0 || whole % std::min(group_, span) != 0)
      return false;
    const int granule = 8 / c.parts();
    c.rows = std::max(1, (rows + granule - 1) / granule) * granule;
    c.tensor_cores = true;
    c.groups = 8;
    begin_kind();
    for (int columns : {2, 4, 8}) {
      c.columns = columns;
      for (int warps : {1, 2, 4, 8, 16}) {
        c.lanes = 4 * warps;
        try_slices(c);
      }
    }
    end_kind();
    return true;
  }

  void try_slices(GemvConfig c) {
    const int64_t rounds = (problem_.k.extent() + c.round_k() - 1) / c.round_k();
    c.exact_k = problem_.k.extent() % c.round_k() == 0;
    c.partner = mixes_halves(problem_) ? partner_ : 0;
    c.head = problem_.norm_head;
    c.vector = power_in(c.partner > 0 ? c.block_n() / 2 : c.block_n(), std::min(problem_.vector, 2));
    c.exact_n = problem_.n.extent() % c.vector == 0;
    c.exact_columns = c.group > 0 && c.partner == 0 && problem_.n.extent() % c.block_n() == 0;
    for (int slices : kSlices) {
      if (slices > 1 && (rounds < 2 * slices || tiles(c) * slices > 4 * target_.card.sms)) break;
      c.slices = slices;
      const int64_t own_rounds = (rounds + slices - 1) / slices;
      c.rounds = static_cast<int>(std::clamp<int64_t>(kLoadsUnderWay / (c.lines() * c.products), 1,
                                                      std::max<int64_t>(own_rounds, 1)));
      offer({c, tiles(c)});
      while (c.group > 0 &&
             c.rounds > 1) {  // long chunks of rows: fewer of them under way leave room for more threads
        c.rounds /= 2;
        offer({c, tiles(c)});
      }
    }
  }

  int64_t tiles(const GemvConfig& c) const {
    const int64_t row_tiles = (problem_.m.extent() + c.rows - 1) / c.rows,
                  column_tiles = (problem_.n.extent() + c.block_n() - 1) / c.block_n();
    return row_tiles * column_tiles * batch_;
  }

  std::string why_illegal(const GemvChoice& choice) const {
    const GemvConfig& c = choice.config;
    if (choice.tiles >= int64_t{1} << 31)
      return "its " + std::to_string(choice.tiles) + " blocks are more than a grid holds";
    if (c.tensor_cores && c.group == 0 && (c.depth != 8 || (!along_k_ && c.columns != 8)))
      return "its lines are not aligned to 16 bytes, as fragments of tensor cores want them";
    if (c.shared_bytes() > target_.card.shared_bytes_per_block)
      return "needs " + std::to_string(c.shared_bytes() / 1024) + " KiB of shared memory";
    if (c.group > 0 && c.rows * c.parts() > 8 * kMostOperandsOfGroups)
      return "its rows and groups are " + std::to_string(c.rows * c.parts() / 8) +
             " right operands of mma, which spill";
    const int ahead = (c.rounds - 1) * row_registers(c);  // rows that all came before the first line
    if ((c.group > 0 ? gemv_registers(c, bits_) + ahead > kMostRegistersOfGroups
                     : gemv_registers(c, bits_) > kMostRegisters) ||
        gemv_registers(c, bits_) + ahead + spare(c) > target_.card.registers_per_sm / c.threads())
      return "needs about " + std::to_string(gemv_registers(c, bits_) + ahead) + " registers a thread";
    if (c.partner > 0 && (c.block_n() < 2 * c.vector || c.partner % (c.block_n() / 2) != 0 ||
                          c.block_n() / 2 % (along_k_ ? 1 : c.columns) != 0))
      return "its " + std::to_string(c.block_n()) + " columns are no two runs of a head's halves";
    if (c.partner == 0 && (mixes_halves(problem_) || c.head > 0) && c.block_n() % problem_.head_dim != 0)
      return "its " + std::to_string(c.block_n()) + " columns cut heads of " +
             std::to_string(problem_.head_dim);
    if (problem_.vector > 1 && c.vector == 1 && mixes_pairs())
      return "its " + std::to_string(c.block_n()) + " columns cut the pairs that a rotary position turns";
    return "";
  }
  int spare(const GemvConfig& c) const {
    const bool turns = llvm::any_of(problem_.tail, [](const Node* node) { return node->op() == Op::kRope; });
    const bool loops =  // lines of the next rounds come in while those of the first are added
        problem_.k.extent() / c.slices > int64_t{c.rounds} * c.round_k();
    if (c.group > 0) return kSpareOfGroups;
    return turns || loops || c.threads() < 512 || bits_ < 8 * element_ ? kSpare : kSpareOfShortTail;
  }
  bool mixes_pairs() const {
    return llvm::any_of(problem_.tail, [](const Node* node) {
      return node->op() == Op::kRope && node->attributes.flag("interleaved");
    });
  }

  /// Of each kind the cheapest that can run is kept, or the cheapest where none can.
  void begin_kind() { kind_.reset(); }
  void end_kind() {
    if (kind_) best_.push_back(std::move(*kind_));
  }
  void offer(const GemvChoice& choice) {
    Candidate candidate;
    candidate.implementation = "generated";
    candidate.config = config_name(choice.config);
    candidate.why_not = why_illegal(choice);
    candidate.estimate = estimate_gemv(problem_, choice, region_, target_);
    candidate.details = choice;
    const auto rank = [](const Candidate& c) { return std::pair(!c.why_not.empty(), c.estimate.us); };
    if (!kind_ || rank(candidate) < rank(*kind_)) kind_ = std::move(candidate);
  }

  const ProductProblem& problem_;
  const Region& region_;
  const Target& target_;
  int partner_;
  int64_t batch_ = 1;
  int b_copy_ = 16, element_ = 2, bits_ = 16, group_ = 0;
  bool along_k_ = true;
  std::optional<Candidate> kind_;
  std::vector<Candidate> best_;
};

}  // namespace

std::string config_name(const GemvConfig& config) {
  std::string name = (config.tensor_cores ? "mma " : "") + std::to_string(config.rows) + "x" +
                     std::to_string(config.block_n()) + "/" + std::to_string(config.lanes) + "x" +
                     std::to_string(config.rounds);
  return config.slices > 1 ? name + " split " + std::to_string(config.slices) : name;
}

int gemv_registers(const GemvConfig& c, int weight_bits) {
  constexpr int kAddressesAndIndices =
      18;  // the rows' next chunks take the place of lines already multiplied
  const int line_bytes = (c.b_contiguous == Contiguous::k ? c.depth : c.columns) * weight_bits / 8;
  const int scale = weight_bits < 8 * c.element_bytes ? 1 : 0;
  const int lines = c.rounds * c.lines() * c.products * (std::max(line_bytes / 4, 1) + scale);
  const int operands =
      c.rows * c.parts() / 8;  // right ones of mma, each with the sums of a group and those of zeros
  const int widened =
      c.group > 0 ? 8 * operands + 4 : scale * line_bytes * 8 / weight_bits;  // a line, as floats
  const int sums = c.group > 0 ? c.products * c.columns * operands * (c.parts() == 1 ? 2 : 1)
                               : c.products * c.rows * c.columns / (c.tensor_cores ? 8 : 1);
  return lines + widened + sums + row_registers(c) + kAddressesAndIndices;
}

std::vector<Candidate> gemv_candidates(const ProductProblem& problem, const Region& region,
                                       const Target& target) {
  return Menu(problem, region, target).candidates();
}

}  // namespace tenon
