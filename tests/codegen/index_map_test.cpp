// Affine indices: offsets, what a reshape does to them, when an axis must split, what is known of dynamic numbers.
#include "codegen/index_map.h"

#include <doctest/doctest.h>

using namespace tenon;

namespace {

llvm::SmallVector<Affine, 4> axes(int count) {
  llvm::SmallVector<Affine, 4> index;
  for (int v = 0; v < count; ++v) index.push_back(Affine::variable(v));
  return index;
}

}  // namespace

TEST_CASE("an offset is the row-major sum; equal terms join and vanish") {
  const Shape shape{Dim(3), Dim(4, "T"), Dim(5)};
  const Affine offset = IndexSpace::offset(axes(3), shape);
  CHECK(offset.coefficient(0) == 20);
  CHECK(offset.coefficient(1) == 5);
  CHECK(offset.coefficient(2) == 1);
  Affine difference = offset;
  difference.add(offset, Dim(-1));
  CHECK(difference == Affine());
  IndexSpace space(shape);
  CHECK(space.range(offset) == std::pair<int64_t, int64_t>(0, 59));
}

TEST_CASE("a reshape that merges axes, or splits what stays apart, is affine") {
  const Shape heads{Dim(2), Dim(7, "T"), Dim(3), Dim(16)}, merged{Dim(2), Dim(7, "T"), Dim(48)};
  IndexSpace space(heads);
  const auto wide = space.reshape(axes(4), heads, merged);
  CHECK(wide[1] == Affine::variable(1));
  CHECK(wide[2].coefficient(2) == 16);
  CHECK(wide[2].coefficient(3) == 1);
  const auto back = space.reshape(wide, merged, heads);
  for (int v = 0; v < 4; ++v) CHECK(back[static_cast<size_t>(v)] == Affine::variable(v));
  CHECK(space.wanted_split.first == -1);
  CHECK(space.variables.size() == 4);
}

TEST_CASE("a reshape across an axis asks for its split, and makes quotients where there is none") {
  const Shape merged{Dim(5), Dim(48)}, heads{Dim(5), Dim(3), Dim(16)};
  IndexSpace space(merged);
  space.reshape(axes(2), merged, heads);
  CHECK(space.wanted_split == std::pair<int, int64_t>(1, 16));
  IndexSpace odd(Shape{Dim(6)});
  const auto pair = odd.reshape(axes(1), {Dim(6)}, {Dim(2), Dim(3)});  // 6 splits by 3
  CHECK(odd.wanted_split == std::pair<int, int64_t>(0, 3));
  CHECK(odd.variables[static_cast<size_t>(pair[0].terms[0].first)].origin == Variable::kQuotient);
  CHECK(odd.depends(pair[1], 0));
  IndexSpace across(Shape{Dim(4), Dim(3)});
  across.reshape(axes(2), {Dim(4), Dim(3)}, {Dim(3), Dim(4)});
  CHECK(across.wanted_split.first == -1);  // no split helps
}

TEST_CASE("extents of 1 come and go; nothing has no index") {
  IndexSpace space(Shape{Dim(4), Dim(5)});
  const auto spread = space.reshape(axes(2), {Dim(4), Dim(5)}, {Dim(1), Dim(4), Dim(1), Dim(5), Dim(1)});
  CHECK(spread[0] == Affine());
  CHECK(spread[1] == Affine::variable(0));
  CHECK(spread[3] == Affine::variable(1));
  CHECK(space.reshape(axes(2), {Dim(0), Dim(5)}, {Dim(5), Dim(0)})[0] == Affine());
}

TEST_CASE("a dynamic number is known to be a multiple of its fixed factors alone") {
  CHECK(known_divisor(Dim(24)) == 24);
  CHECK(known_divisor(Dim(7, "T")) == 1);
  CHECK(known_divisor(Dim(7, "T") * Dim(64)) == 64);
  CHECK(known_divisor(Dim(7, "T") + Dim(1)) == 1);
}
