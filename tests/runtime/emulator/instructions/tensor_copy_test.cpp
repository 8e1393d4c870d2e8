// cp.async.bulk.tensor: boxes of tensors to shared memory and back, and what is found wrong with them.
#include <doctest/doctest.h>

#include <numeric>

#include "ir/diagnostics.h"
#include "runtime/emulator/machine/tensor_map.h"
#include "tests/runtime/emulator/ptx_kernel.h"
#include "tests/runtime/emulator/ptxas.h"

using namespace tenon;
using namespace tenon::emulator;

namespace {

constexpr int kWords = 512;  // of a block's shared memory, before the mbarrier

// %rd0: the tensor map, %rd1: the output. %r1: shared memory, %r2: an mbarrier that thread 0 (%p0) initialised for one
// arrival; all threads know it.
const std::string kParameters = ".param .align 64 .b8 map[128], .param .u64 out";
const std::string kSetUp = R"(
  .shared .align 1024 .b8 s[2048];
  .shared .align 8 .b8 bar[8];
  .reg .b16 %h<4>;
  .reg .b32 %r<16>;
  .reg .b64 %rd<16>;
  .reg .pred %p<8>;
  mov.b64 %rd0, map;
  cvta.param.u64 %rd0, %rd0;
  ld.param.u64 %rd1, [out];
  mov.u32 %r0, %tid.x;
  mov.u32 %r1, s;
  mov.u32 %r2, bar;
  setp.eq.u32 %p0, %r0, 0;
  @%p0 mbarrier.init.shared::cta.b64 [%r2], 1;
  fence.mbarrier_init.release.cluster;
  bar.sync 0;
)";
const std::string kWait = R"(
  wait: mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r2], 0;
  @!%p1 bra wait;
)";
// Word i of shared memory becomes i. In `each`, # stands for a thread's word less its number, @ for that in bytes.
std::string for_words(const std::string& each) {
  std::string text;
  for (int i = 0; i < kWords; i += kLanes) {
    std::string word = each;
    word.replace(word.find('#'), 1, std::to_string(i));
    word.replace(word.find('@'), 1, std::to_string(4 * i));
    text += word;
  }
  return text;
}
const std::string kFill =
    "mad.lo.u32 %r5, %r0, 4, %r1;" + for_words("add.u32 %r6, %r0, #; st.shared.u32 [%r5+@], %r6;");

struct Ran {
  LaunchResult result;
  std::string told;
  std::vector<uint32_t> out;
};

struct Bench {
  std::unique_ptr<PtxKernel> kernel;
  TensorTiling map;
  uint64_t out = 0;

  explicit Bench(const std::string& body) {
    const std::string text = kernel_text(kParameters, kSetUp + body + " ret;");
    CHECK(ptxas_says(text) == "");
    kernel = std::make_unique<PtxKernel>(text);
    out = kernel->input(std::vector<uint32_t>(kWords, 0xabababab), "out");
  }
  Ran run() {
    struct {
      std::byte bytes[kTensorMapBytes];
    } opaque;
    REQUIRE(fault_in(map) == "");
    encode_tensor_map(map, opaque.bytes);
    return run_opaque(opaque);
  }
  template <class Opaque>
  Ran run_opaque(const Opaque& opaque) {
    Ran ran{kernel->run(opaque, out), {}, {}};
    ran.told = told(ran.result);
    ran.out = kernel->values<uint32_t>(out, kWords);
    return ran;
  }
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string load_text(int bytes, const std::string& coordinates, int rank = 2) {
  return "@%p0 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], " + std::to_string(bytes) +
         ";\n@%p0 cp.async.bulk.tensor." + std::to_string(rank) +
         "d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r1], [%rd0, {" + coordinates +
         "}], [%r2];\n";
}
const std::string kShow = "mad.lo.u32 %r5, %r0, 4, %r1; mul.wide.u32 %rd5, %r0, 4; add.s64 %rd5, %rd1, %rd5;";
/// The words that the box fills go to the output.
std::string show(int bytes) {
  std::string text = kShow;
  for (int at = 0; at < bytes; at += 4 * kLanes)
    text += "ld.shared.u32 %r6, [%r5+" + std::to_string(at) + "]; st.global.u32 [%rd5+" + std::to_string(at) +
            "], %r6;\n";
  return text;
}

/// Words of 4 bytes: `rows` by `columns`, 40 words from row to row.
TensorTiling words_map(uint64_t base, int columns, int rows, int box_columns, int box_rows) {
  TensorTiling map;
  map.base = base;
  map.rank = 2;
  map.element = TensorElement::kU32;
  map.dims[0] = static_cast<uint64_t>(columns), map.dims[1] = static_cast<uint64_t>(rows);
  map.strides[0] = 160;
  map.box[0] = static_cast<uint32_t>(box_columns), map.box[1] = static_cast<uint32_t>(box_rows);
  return map;
}

std::vector<uint32_t> counted(size_t count) {
  std::vector<uint32_t> all(count);
  std::iota(all.begin(), all.end(), 1u);
  return all;
}

bool tells(const Ran& ran, const std::string& words) {
  const bool found = ran.told.find(words) != std::string::npos;
  if (!found) MESSAGE(ran.told << " does not tell: " << words);
  return found;
}

std::string decode_error(const std::string& instruction) {
  try {
    PtxKernel kernel(kernel_text(kParameters, kSetUp + instruction + " ret;"));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("emulator: tensor copies: a box arrives swizzled, with zeros or NaN where it overhangs") {
  struct Case {
    TensorSwizzle swizzle;
    int columns, x, y;
    TensorFill fill;
  };
  for (const Case& c : {Case{TensorSwizzle::kNone, 8, 0, 0, TensorFill::kZero},
                        Case{TensorSwizzle::kNone, 32, -4, -2, TensorFill::kZero},
                        Case{TensorSwizzle::k32, 8, 28, 3, TensorFill::kZero},
                        Case{TensorSwizzle::k64, 16, -8, 5, TensorFill::kNan},
                        Case{TensorSwizzle::k128, 32, 20, -1, TensorFill::kNan},
                        Case{TensorSwizzle::k128, 32, 100, 100, TensorFill::kZero}}) {
    const int rows = 8, bytes = c.columns * rows * 4;
    Bench bench(load_text(bytes, std::to_string(c.x) + ", " + std::to_string(c.y)) + kWait + show(bytes));
    const std::vector<uint32_t> in = counted(40 * 10);
    bench.map = words_map(bench.kernel->input(in), 33, 10, c.columns, rows);
    bench.map.swizzle = c.swizzle;
    bench.map.fill = c.fill;
    if (c.fill == TensorFill::kNan) bench.map.element = TensorElement::kF32;
    const Ran ran = bench.run();
    CHECK(ran.told == "");
    const uint32_t base = 0x400;  // where s lies, a multiple of all patterns
    for (int row = 0; row < rows; ++row)
      for (int column = 0; column < c.columns; ++column) {
        const int x = c.x + column, y = c.y + row;
        const bool inside = x >= 0 && x < 33 && y >= 0 && y < 10;
        const uint32_t fill = c.fill == TensorFill::kNan ? 0x7ff77ff7 : 0;
        const uint32_t place =
            swizzled(c.swizzle, base + static_cast<uint32_t>((row * c.columns + column) * 4)) - base;
        CHECK(ran.out[place / 4] == (inside ? in[y * 40 + x] : fill));
      }
  }
}

TEST_CASE("emulator: tensor copies: ranks from 1 to 5") {
  for (int rank = 1; rank <= 5; ++rank) {
    const char* zeros[] = {"4", "4, 0", "4, 0, 1", "4, 0, 1, 0", "4, 0, 1, 0, 1"};
    Bench bench(load_text(128, zeros[rank - 1], rank) + kWait + show(128));
    const std::vector<uint32_t> in = counted(1024);
    TensorTiling& map = bench.map;
    map = words_map(bench.kernel->input(in), 64, 1, rank == 1 ? 32 : 16, 1);
    map.rank = rank;
    for (int i = 1; i < rank; ++i) map.dims[i] = 2, map.strides[i - 1] = 256u << (i - 1), map.box[i] = 1;
    if (rank > 1) map.box[1] = 2;
    const Ran ran = bench.run();
    CHECK(ran.told == "");
    const uint32_t outer = (rank >= 3 ? 128 : 0) + (rank >= 5 ? 512 : 0);
    CHECK(ran.out[0] == in[outer + 4]);
    CHECK(ran.out[31] == (rank == 1 ? in[35] : in[outer + 64 + 4 + 15]));
  }
}

TEST_CASE("emulator: tensor copies: a store leaves what lies outside alone") {
  const std::string store = kFill + R"(
    fence.proxy.async.shared::cta;
    bar.sync 0;
    @%p0 cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%rd0, {28, 8}], [%r1];
    @%p0 cp.async.bulk.commit_group;
    @%p0 cp.async.bulk.wait_group 0;
  )";
  Bench bench(store);
  bench.map = words_map(bench.out, 33, 10, 8, 4);
  bench.map.swizzle = TensorSwizzle::k32;
  const Ran ran = bench.run();
  CHECK(ran.told == "");
  for (int y = 0; y < 12; ++y)
    for (int x = 0; x < 40; ++x) {
      const bool written = y >= 8 && y < 10 && x >= 28 && x < 33;
      const uint32_t place =
          swizzled(TensorSwizzle::k32, 0x400 + static_cast<uint32_t>((y - 8) * 8 + x - 28) * 4) - 0x400;
      CHECK(ran.out[y * 40 + x] == (written ? place / 4 : 0xabababab));
    }
  CHECK(ran.result.meter.totals().async_bytes == 40);

  Bench unfenced(replaced(store, "fence.proxy.async.shared::cta;", ""));
  unfenced.map = words_map(unfenced.out, 33, 10, 8, 4);
  CHECK(tells(unfenced.run(), "missing proxy fence"));
  Bench unwritten(replaced(store, kFill, ""));
  unwritten.map = words_map(unwritten.out, 33, 10, 8, 4);
  CHECK(tells(unwritten.run(), "uninitialised"));
}

TEST_CASE("emulator: tensor copies: reductions") {
  Bench bench(kFill + R"(
    fence.proxy.async.shared::cta;
    bar.sync 0;
    @%p0 cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile.bulk_group [%rd0, {0, 0}], [%r1];
    @%p0 cp.reduce.async.bulk.tensor.2d.global.shared::cta.max.bulk_group [%rd0, {0, 1}], [%r1];
    @%p0 cp.async.bulk.commit_group;
    @%p0 cp.async.bulk.wait_group 0;)");
  bench.map = words_map(bench.kernel->input(std::vector<uint32_t>(400, 5), "sums"), 33, 10, 8, 1);
  const Ran ran = bench.run();
  CHECK(ran.told == "");
  const std::vector<uint32_t> sums = bench.kernel->values<uint32_t>(bench.map.base, 400);
  CHECK(sums[7] == 12);
  CHECK(sums[8] == 5);
  CHECK(sums[43] == 5);
  CHECK(sums[47] == 7);
  bench.map.element = TensorElement::kF32;
  CHECK(
      tells(bench.run(), "not supported by the emulator: this reduction for the tensor map's element type"));
}

TEST_CASE("emulator: tensor copies: a multicast reaches the same place in each block of the mask") {
  const std::string body = R"(
    mov.u32 %r7, %cluster_ctarank;
    setp.eq.u32 %p2, %r7, 0;
    and.pred %p3, %p0, %p2;
    mov.u16 %h0, 3;
    mov.u64 %rd9, 0;
    @%p0 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], 128;
    barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;
    @%p3 cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster.L2::cache_hint
      [%r1], [%rd0, {8, 1}], [%r2], %h0, %rd9;)" +
                           kWait + "@%p2 bra done;" + show(128) +
                           "done: barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;";
  Bench bench(body);
  bench.kernel->request.grid[0] = bench.kernel->request.cluster[0] = 2;
  const std::vector<uint32_t> in = counted(400);
  bench.map = words_map(bench.kernel->input(in), 33, 10, 16, 2);
  const Ran ran = bench.run();
  CHECK(ran.told == "");
  CHECK(ran.out[0] == in[48]);
  CHECK(ran.out[31] == in[80 + 8 + 15]);
  // It counts once in global memory, however many receive it.
  CHECK(ran.result.meter.totals().async_bytes == 128);
}

TEST_CASE("emulator: tensor copies: bytes that nothing wrote stay uninitialised where they land") {
  Bench bench(load_text(256, "0, 0") + kWait + "ld.shared.u32 %r6, [%r1+4]; st.global.u32 [%rd1], %r6;");
  bench.map = words_map(bench.kernel->output(1600, "half"), 33, 10, 8, 8);
  bench.map.swizzle = TensorSwizzle::k32;
  CHECK(tells(bench.run(), "uninitialised"));
  bench.kernel->memory.fill(bench.map.base + 4, std::byte{1}, 4);
  CHECK(bench.run().told == "");
}

TEST_CASE("emulator: tensor copies: what is wrong with map, box or barrier is told") {
  const std::vector<uint32_t> in = counted(400);
  auto ran = [&](const std::string& body, auto change) {
    Bench bench(body);
    bench.map = words_map(bench.kernel->input(in), 33, 10, 8, 4);
    change(bench);
    return bench.run();
  };
  auto as_is = [](Bench&) {};
  const std::string good = load_text(128, "0, 0") + kWait;
  CHECK(ran(good, as_is).told == "");
  CHECK(tells(ran(load_text(128, "0, 0, 0", 3), as_is), "a 3-dimensional copy with a tensor map of rank 2"));
  CHECK(tells(ran(good,
                  [](Bench& b) {
                    b.map.element_strides[1] = 2;
                    b.map.box[1] = 8;
                  }),
              "not supported by the emulator: a tensor map with element strides"));
  CHECK(tells(ran(replaced(good, "[%r1]", "[%r1+16]"), as_is), "misaligned"));
  CHECK(tells(ran(replaced(good, "[%r1]", "[%r1+2048]"), as_is), "out of bounds"));
  CHECK(tells(ran(replaced(good, "[%r2];", "[%r1];"), as_is), "used, but no mbarrier.init made it"));
  CHECK(tells(ran(load_text(1024, "0, 8") + kWait,
                  [](Bench& b) {
                    b.map.box[0] = 32;
                    b.map.box[1] = 8;
                    b.map.dims[1] = 12;
                  }),
              "out of bounds: read of"));
  CHECK(tells(ran(replaced(load_text(1024, "0, 0"), "[%r1]", "[%r1+128]") + kWait,
                  [](Bench& b) {
                    b.map.swizzle = TensorSwizzle::k128;
                    b.map.box[0] = 32;
                    b.map.box[1] = 8;
                  }),
              "the box begins inside the swizzle's pattern: its address is not aligned to 1024 bytes"));
  CHECK(tells(ran(load_text(128, "0, 0"), [](Bench& b) { b.map.box[0] = 128, b.map.box[1] = 256; }),
              "a box of 131072 bytes is larger than the block's shared memory"));
  CHECK(tells(ran(replaced(good, "[%rd0, ", "[%rd1, "), as_is), "the operand is no tensor map"));
  CHECK(tells(ran("add.s64 %rd0, %rd0, 4;" + good, as_is), "misaligned"));
  CHECK(tells(
      ran(load_text(128, "30, 0"), as_is),
      "misaligned address: the box begins 120 bytes from its row's beginning: the first coordinate must "
      "be at a multiple of 16 bytes"));
  CHECK(ran(load_text(128, "-4, -1") + kWait, as_is).told == "");
  CHECK(tells(
      ran(kFill + "fence.proxy.async; bar.sync 0; @%p0 cp.async.bulk.tensor.2d.global.shared::cta.bulk_group "
                  "[%rd0, {0, -1}], [%r1];",
          as_is),
      "a tensor store has a negative coordinate: only loads may begin before the tensor"));
  CHECK(ran("@%p0 cp.async.bulk.prefetch.tensor.2d.L2.global [%rd0, {0, 0}];", as_is).told == "");
  CHECK(tells(ran("@%p0 cp.async.bulk.prefetch.tensor.3d.L2.global [%rd0, {0, 0, 0}];", as_is), "of rank 2"));
}

TEST_CASE("emulator: tensor copies: forms that PTX or the emulator lacks are errors with their line") {
  const std::string end = ".mbarrier::complete_tx::bytes [%r1], [%rd0, {0, 0, 0, 0}], [%r2], {%h0, %h1};";
  CHECK(decode_error("cp.async.bulk.tensor.4d.shared::cluster.global.im2col" + end)
            .find("tile mode alone, not in .im2col") != std::string::npos);
  CHECK(decode_error("cp.async.bulk.tensor.2d.shared::cta.global.tile::gather4.mbarrier::complete_tx::bytes "
                     "[%r1], [%rd0, "
                     "{0, 0, 0, 0, 0}], [%r2];")
            .find("not in .tile::gather4") != std::string::npos);
  CHECK(decode_error(load_text(128, "0, 0, 0")).find("as many coordinates as dimensions") !=
        std::string::npos);
  CHECK(decode_error("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%rd0], [%r1];")
            .find("coordinates are wanted") != std::string::npos);
  CHECK(decode_error("cp.async.bulk.tensor.6d.global.shared::cta.bulk_group [%rd0, {0,0,0,0,0,0}], [%r1];") !=
        "");
}
