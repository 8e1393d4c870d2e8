// card_test.cpp: the embedded cards are complete; wrong ones are errors with a place.
#include "passes/card.h"

#include <doctest/doctest.h>

#include "ir/diagnostics.h"

using namespace tenon;

TEST_CASE("eight cards, each found by name, each architecture by its reference card") {
  CHECK(cards().size() == 8);
  for (const Card& card : cards()) {
    INFO(card.name);
    CHECK(&find_target(card.name) == &card);
    CHECK(card.shared_bytes_per_block < card.shared_bytes_per_sm);
    CHECK(card.tensor_16_tflops > card.f32_tflops);
    CHECK(card.dram_efficiency < 1);
    CHECK(card.basis == Basis::kDatasheet);
  }
  const char* const kPairs[][2] = {
      {"sm_80", "a100"}, {"sm_89", "l40s"}, {"sm_90a", "h200"}, {"sm_100a", "b200"}, {"sm_120", "rtx5090"}};
  for (auto& [arch, card] : kPairs) {
    CHECK(find_target(arch).name == card);
    CHECK(find_target(arch).arch == arch);
    CHECK(is_architecture(arch));
  }
  CHECK_FALSE(is_architecture("h200"));
}

TEST_CASE("an unknown target names the nearest and all") {
  CHECK_THROWS_WITH_AS(find_target("h20"), doctest::Contains("did you mean 'h200'?"), Error);
  CHECK_THROWS_WITH_AS(find_target("tpu"), doctest::Contains("targets: a100 b200"), Error);
}

TEST_CASE("a card with a missing, unknown or wrong key is an error with its place") {
  CHECK_THROWS_WITH_AS(parse_card("title = \"x\"", "c.toml"), doctest::Contains("a card needs `arch`"),
                       Error);
  CHECK_THROWS_WITH_AS(parse_card("title = 3", "c.toml"),
                       doctest::Contains("c.toml:1:9: error: `title` must be a string"), Error);
  CHECK_THROWS_WITH_AS(parse_card("title = \"x\"\narch = \"sm_80\"\nsource = \"y\"\nsms = -4\n", "c.toml"),
                       doctest::Contains("c.toml:4:7: error: `sms` must be a positive number"), Error);
  CHECK_THROWS_WITH_AS(parse_card("title = ", "c.toml"), doctest::Contains("c.toml:1:"), Error);
}
