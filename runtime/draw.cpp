// draw.cpp: counted random numbers: element i is a function of (seed, name, i), so threads draw any piece.
#include "runtime/draw.h"

#include <cmath>
#include <numeric>
#include <vector>

#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Support/xxhash.h"
#include "runtime/convert.h"
#include "runtime/cpu/thread_pool.h"

namespace tenon {
namespace {

/// splitmix64's finalizer (Steele, Lea, Flood 2014): a bijection whose outputs of 0, 1, 2, ... pass for
/// random.
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}
uint64_t word(uint64_t stream, int64_t i) {
  return mix(stream + static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15u);
}

int64_t below(uint64_t drawn, int64_t bound) {
  return static_cast<int64_t>(drawn % static_cast<uint64_t>(bound));
}

/// Steps of one length around [0, bound) that meet every number: the i'th, from a place of the stream's own.
int64_t shuffled(uint64_t stream, int64_t i, int64_t bound) {
  int64_t step = below(word(stream, 0), bound);
  while (std::gcd(step, bound) != 1) step = (step + 1) % bound;
  return static_cast<int64_t>(
      (static_cast<unsigned __int128>(step) * static_cast<uint64_t>(i) + word(stream, 1)) %
      static_cast<uint64_t>(bound));
}

/// Elements [begin, begin + count) of a normal stream, begin even: Box and Muller's pairs.
void draw_normals(uint64_t stream, double sigma, int64_t begin, int64_t count, float* out) {
  for (int64_t i = 0; i < count; i += 2) {
    uint64_t bits = word(stream, begin + i);
    float first = (static_cast<float>(bits >> 40) + 0.5f) * 0x1p-24f;  // in (0, 1)
    float angle = static_cast<float>(bits & 0xffffff) * (0x1p-24f * 6.2831853f);
    float radius = static_cast<float>(sigma) * std::sqrt(-2.f * std::log(first));
    out[i] = radius * std::cos(angle);
    if (i + 1 < count) out[i + 1] = radius * std::sin(angle);
  }
}

/// Calls visit(user, value) for every node that reads `source`, or what movements, casts and integer
/// arithmetic make of it, in the order of the graph.
template <class Visit>
void follow(const Value* source, Visit visit) {
  llvm::SmallPtrSet<const Value*, 16> seen{source};
  std::vector<const Value*> open{source};
  for (size_t i = 0; i < open.size(); ++i)
    for (const Node* user : open[i]->users()) {
      if (!visit(*user, open[i])) return;
      bool passes_on = user->kind() == OpKind::kMovement || user->op() == Op::kCast ||
                       (is_integer(open[i]->type().dtype) && user->kind() == OpKind::kElementwise);
      bool is_index =
          (user->op() == Op::kGather || user->op() == Op::kScatter) && user->operand(1) == open[i];
      if (passes_on && !is_index && seen.insert(user->result()).second) open.push_back(user->result());
    }
}

int64_t fan_in(const Value* weight) {
  int64_t found = 0;
  follow(weight, [&](const Node& user, const Value*) {
    if (user.op() == Op::kGroupedMatmul) {
      found = user.operand(1)->type().shape[2].extent();
      return false;
    }
    if (user.op() != Op::kMatmul) return true;
    const Type& a = user.operand(0)->type();
    bool second_last = user.attributes.flag("transpose_a") && a.rank() > 1;
    found = a.shape[a.rank() - (second_last ? 2 : 1)].extent();
    return false;
  });
  const Shape& shape = weight->type().shape;
  if (found == 0 && !shape.empty()) found = shape.back().extent();
  return std::max<int64_t>(1, found);
}

int64_t id_bound(const Node& input) {
  int64_t below = 10;
  bool found = false;
  auto bound = [&](int64_t extent) {
    below = found ? std::min(below, extent) : extent;
    found = true;
  };
  follow(input.result(), [&](const Node& user, const Value* value) {
    bool indexes = user.op() == Op::kGather || user.op() == Op::kScatter;
    if (indexes && user.operand(1) == value) {
      const Type& table = user.operand(0)->type();
      int64_t axis = user.attributes.integer("axis");
      bound(table.shape[axis < 0 ? axis + table.rank() : axis].extent());
    }
    if (user.op() == Op::kGroupedMatmul && user.operand(2) == value)
      bound(user.operand(1)->type().shape[0].extent());
    bool position = (user.op() == Op::kRope && user.operand(1) == value) ||
                    (user.op() == Op::kCacheWrite && user.operand(2) == value) ||
                    (user.op() == Op::kAttention && optional_operand(user, "offset") == value);
    if (position) bound(1);
    return true;
  });
  return std::max<int64_t>(1, below);
}

/// Whether two rows of the input that name one page would write over each other.
bool names_pages(const Node& input) {
  bool found = false;
  follow(input.result(), [&](const Node& user, const Value* value) {
    found |= user.op() == Op::kCacheWrite && optional_operand(user, "pages") == value;
    return true;
  });
  return found;
}

double weight_sigma(const Value* weight) { return 1 / std::sqrt(static_cast<double>(fan_in(weight))); }

Tensor draw_from(const Distribution& distribution, const Type& type, llvm::StringRef name, uint64_t seed) {
  constexpr int64_t kPiece = 4096;
  uint64_t stream = mix(seed + llvm::xxHash64(name));
  Tensor result = Tensor::uninitialised(type);
  std::byte* out = result.mutable_data();
  int64_t size = size_of(type.dtype);
  cpu::parallel_pieces(result.elements(), kPiece, [&](int64_t begin, int64_t end) {
    int64_t count = end - begin, integers[kPiece];
    float floats[kPiece];
    if (is_float(type.dtype)) {
      draw_normals(stream, distribution.sigma, begin, count, floats);
      from_f32(floats, count, type.dtype, out + begin * size);
      return;
    }
    for (int64_t i = 0; i < count; ++i)
      integers[i] = distribution.distinct ? shuffled(stream, begin + i, distribution.below)
                                          : below(word(stream, begin + i), distribution.below);
    from_i64(integers, count, type.dtype, out + begin * size);
  });
  return result;
}

}  // namespace

Distribution distribution_of(const Node& source) {
  DType dtype = source.type().dtype;
  Distribution distribution;
  if (source.op() == Op::kWeight) distribution.sigma = weight_sigma(source.result());
  if (is_integer(dtype)) distribution.below = id_bound(source);
  distribution.distinct = is_integer(dtype) && names_pages(source);
  return distribution;
}

Tensor draw(const Node& source, uint64_t seed) {
  return draw_from(distribution_of(source), source.type(), source.attributes.string("name"), seed);
}

Tensor draw_dequantised(const Node& dequantise, uint64_t seed) {
  Distribution distribution;
  distribution.sigma = weight_sigma(dequantise.result());
  return draw_from(distribution, dequantise.type(), dequantise.operand(0)->node()->attributes.string("name"),
                   seed);
}

}  // namespace tenon
