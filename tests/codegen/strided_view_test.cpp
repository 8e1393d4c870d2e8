// Tests of codegen/strided_view.cpp: strides through movement, and what they cannot express.
#include "codegen/strided_view.h"

#include <doctest/doctest.h>

#include "ir/builder.h"

namespace tenon {
namespace {

std::string text(const std::optional<StridedView>& view) {
  return view ? view->offset.text() + " + " + text_of(view->strides) : "none";
}

struct Body {
  Graph graph;
  Builder builder{graph};
  Value* parameter(Shape shape) {
    return builder.source(Op::kParameter, "x", {DType::kBF16, std::move(shape)}, {{"index", Dim(0)}});
  }
};

const Dim kT(17, "T"), kOne(1, "S"), kB(2, "B");

TEST_CASE("a slice of a joined product, split into heads, is strides") {
  Body body;
  Value* x = body.parameter({kB, kT, 3 * 1024});
  Value* k = body.builder.slice(x, 2, 1024, 1024);
  Value* heads = body.builder.reshape(k, {kB, kT, 16, 64});
  CHECK(text(view_of(body.builder.transpose(heads, {0, 2, 1, 3}))) == "1024 + [3072*T, 64, 3072, 1]");
}

TEST_CASE("merged heads are a place in the output") {
  Body body;
  Value* a = body.parameter({kB, 16, kT, 64});
  Value* turned = body.builder.transpose(a, {0, 2, 1, 3});
  Value* merged = body.builder.reshape(turned, {kB, kT, 1024});
  CHECK(text(place_in(a, merged)) == "0 + [1024*T, 64, 1024, 1]");
  CHECK(text(place_in(merged, merged)) == "0 + [1024*T, 1024, 1]");
  body.graph.add_output("a", a);
  CHECK(text(place_in(a, merged)) == "none");  // something else reads it too
}

TEST_CASE("axes merge only where they follow each other") {
  Body body;
  Value* x = body.parameter({kT, 8, 64});
  CHECK(text(view_of(body.builder.reshape(x, {kT, 512}))) == "0 + [512, 1]");
  CHECK(text(view_of(body.builder.reshape(x, {kT * Dim(8), 64}))) == "0 + [64, 1]");
  Value* part = body.builder.slice(x, 2, 0, 32);
  const Node* obstacle = nullptr;
  Value* merged = body.builder.reshape(part, {kT, 256});
  CHECK(text(view_of(merged, &obstacle)) == "none");
  CHECK(obstacle == merged->node());
  CHECK(text(view_of(body.builder.reshape(part, {kT, 8, 1, 2, 16}))) == "0 + [512, 64, 0, 16, 1]");
}

TEST_CASE("a dynamic extent that happens to be 1 is no fixed 1") {
  Body body;
  Value* x = body.parameter({kOne, 8, 64});
  CHECK(text(view_of(body.builder.transpose(body.builder.reshape(x, {kOne, 4, 2, 64}), {1, 0, 2, 3}))) ==
        "0 + [128, 512, 64, 1]");
}

TEST_CASE("slices step, expands stand still, extents of 0 do no harm") {
  Body body;
  Value* x = body.parameter({1, 10, 4});
  CHECK(text(view_of(body.builder.slice(x, 1, 3, 2, 2))) == "12 + [40, 8, 1]");
  CHECK(text(view_of(body.builder.expand(x, {5, 3, 10, 4}))) == "0 + [0, 0, 4, 1]");
  Value* empty = body.parameter({0, 32});
  CHECK(text(view_of(body.builder.reshape(empty, {0, 2, 16}))) == "0 + [32, 16, 1]");
}

TEST_CASE("known factors hold for every binding") {
  CHECK(known_factor(Dim(48)) == 48);
  CHECK(known_factor(kT) == 1);
  CHECK(known_factor(kB * kT * Dim(24)) == 24);
  CHECK(known_factor(kT + Dim(8)) == 1);
}

}  // namespace
}  // namespace tenon
