// Which card stands for which GPU, and what the GPU itself overrules.
#include "runtime/cuda/card_at_hand.h"

#include <doctest/doctest.h>

using namespace tenon;
using namespace tenon::cuda;

namespace {

Gpu make_gpu(const std::string& name, int major, int minor) {
  Gpu gpu;
  gpu.name = name;
  gpu.compute_major = major;
  gpu.compute_minor = minor;
  gpu.multiprocessors = 77;
  gpu.l2_bytes = 12345;
  gpu.shared_bytes_per_block = 99000;
  return gpu;
}

}  // namespace

TEST_CASE("a GPU of the table is found by its name, the longer one first") {
  CHECK(card_at_hand(make_gpu("NVIDIA H200", 9, 0)).name == "h200");
  CHECK(card_at_hand(make_gpu("NVIDIA A100-SXM4-80GB", 8, 0)).name == "a100");
  CHECK(card_at_hand(make_gpu("NVIDIA L4", 8, 9)).name == "l4");
  CHECK(card_at_hand(make_gpu("NVIDIA L40S", 8, 9)).name == "l40s");
}

TEST_CASE("another GPU takes the newest elder card, and all keep their own counts") {
  const Card card = card_at_hand(make_gpu("NVIDIA GeForce RTX 3090", 8, 6));
  CHECK(card.name == "a100");
  CHECK(card.arch == "sm_86");
  CHECK(card.sms == 77);
  CHECK(card.l2_bytes == 12345);
  CHECK(card.shared_bytes_per_block == 99000);
  CHECK(card.dram_gb_s > 0);
}

TEST_CASE("a GPU before sm_80 is refused") {
  CHECK_THROWS_WITH_AS(card_at_hand(make_gpu("Tesla T4", 7, 5)),
                       doctest::Contains("the GPU Tesla T4 is sm_75; Tenon's kernels need sm_80 or later"),
                       Error);
}
