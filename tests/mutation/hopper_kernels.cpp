// hopper_kernels.cpp: how the kernels of tests/mutation/kernels are launched.
#include <fstream>
#include <random>
#include <stdexcept>

#include "runtime/convert.h"
#include "tests/mutation/corpus.h"

namespace tenon::mutation {
namespace {

std::string read(const std::string& name) {
  std::ifstream file(TENON_SOURCE_DIR "/tests/mutation/kernels/" + name, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

Buffer numbers(const char* name, DType type, int64_t count) {
  std::mt19937 random(static_cast<unsigned>(name[0]) * 31 + static_cast<unsigned>(count));
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& x : values) x = normal(random);
  Buffer buffer{name, count * size_of(type), {}};
  buffer.contents.resize(static_cast<size_t>(buffer.bytes));
  from_f32(values.data(), count, type, buffer.contents.data());
  return buffer;
}
Buffer integers(const char* name, int64_t count) {
  Buffer buffer{name, count * 4, {}};
  std::mt19937 random(7);
  std::vector<int64_t> values(static_cast<size_t>(count));
  for (int64_t& x : values) x = static_cast<int64_t>(random() % 1000);
  buffer.contents.resize(static_cast<size_t>(buffer.bytes));
  from_i64(values.data(), count, DType::kI32, buffer.contents.data());
  return buffer;
}
Buffer zeros(const char* name, int64_t bytes) {
  return {name, bytes, std::vector<std::byte>(static_cast<size_t>(bytes))};
}
Buffer output(const char* name, int64_t bytes) { return {name, bytes, {}}; }

Argument pointer(int buffer) { return {Argument::kPointer, buffer, 0, {}}; }
Argument integer(int64_t value) { return {Argument::kInteger, -1, value, {}}; }
/// A matrix of 16-bit elements, rows contiguous, in boxes of `box_rows` by 64.
Argument tensor(int buffer, uint64_t rows, uint64_t columns, uint32_t box_rows, TensorSwizzle swizzle) {
  Argument argument{Argument::kTensor, buffer, 0, {}};
  argument.tensor.rank = 2;
  argument.tensor.dims[0] = columns;
  argument.tensor.dims[1] = rows;
  argument.tensor.strides[0] = columns * 2;
  argument.tensor.box[0] = 64;
  argument.tensor.box[1] = box_rows;
  argument.tensor.swizzle = swizzle;
  return argument;
}

Case kernel(const char* name, int grid, int block, int cluster = 1, int64_t shared_bytes = 0) {
  Case result{name, "sm_90a", read(std::string(name) + ".cu"), name};
  result.grid[0] = grid;
  result.block[0] = block;
  result.cluster[0] = cluster;
  result.shared_bytes = shared_bytes;
  return result;
}

Case gemm() {
  constexpr int64_t m = 256, n = 128, k = 256;
  Case c = kernel("gemm_multicast", 2, 384, 2, 92 * 1024);
  c.buffers = {numbers("a", DType::kBF16, m * k), numbers("b", DType::kBF16, n * k), output("c", m * n * 2)};
  c.arguments = {tensor(0, m, k, 128, TensorSwizzle::k128), tensor(1, n, k, 32, TensorSwizzle::k128),
                 tensor(2, m, n, 64, TensorSwizzle::k128), integer(k / 64), integer(n / 64)};
  return c;
}

Case attention() {
  constexpr int64_t heads = 2, tiles = 5;
  Case c = kernel("attention_sm90", heads, 128, 1, 42 * 1024);
  c.buffers = {numbers("q", DType::kBF16, heads * 64 * 64),
               numbers("k", DType::kBF16, heads * tiles * 64 * 64),
               numbers("v", DType::kBF16, heads * tiles * 64 * 64), output("out", heads * 64 * 64 * 4),
               output("weights", heads * 64 * 4)};
  c.arguments = {tensor(0, heads * 64, 64, 64, TensorSwizzle::k128),
                 tensor(1, heads * tiles * 64, 64, 64, TensorSwizzle::k128),
                 tensor(2, heads * tiles * 64, 64, 64, TensorSwizzle::k128),
                 pointer(3),
                 pointer(4),
                 integer(tiles)};
  return c;
}

Case grid_barrier() {
  constexpr int64_t blocks = 4, steps = 5, columns = 256, rows = 4;
  Case c = kernel("grid_barrier", blocks, columns);
  c.cooperative = true;
  c.buffers = {numbers("in", DType::kF32, blocks * steps * rows * columns),
               output("partial", blocks * columns * 4), output("sums", columns * 4),
               output("turned", blocks * columns * 4), zeros("counters", 8)};
  c.arguments = {pointer(0), pointer(1), pointer(2), pointer(3), pointer(4), integer(steps)};
  return c;
}

Case tensor_store() {
  constexpr int64_t blocks = 2, tiles = 5;
  Case c = kernel("tensor_store", blocks, 128);
  c.buffers = {integers("in", blocks * tiles * 64 * 32), output("out", blocks * tiles * 64 * 128)};
  c.arguments = {tensor(0, blocks * tiles * 64, 64, 64, TensorSwizzle::kNone),
                 tensor(1, blocks * tiles * 64, 64, 64, TensorSwizzle::kNone), integer(tiles)};
  return c;
}

Case through_registers(const char* name, int threads, int64_t elements, bool totals) {
  Case c = kernel(name, 2, threads);
  c.buffers = {integers("in", elements), output("out", elements * 4)};
  c.arguments = {pointer(0), pointer(1)};
  if (totals) {
    c.buffers.push_back(output("totals", elements / 32 * 4));
    c.arguments.push_back(pointer(2));
  }
  return c;
}

Case with_rounds(Case c, int rounds, int cluster = 1) {
  c.arguments.push_back(integer(rounds));
  c.cluster[0] = cluster;
  return c;
}

}  // namespace

std::vector<Case> hopper_kernels() {
  constexpr int kTiles = 6;
  return {gemm(),
          attention(),
          grid_barrier(),
          tensor_store(),
          with_rounds(through_registers("named_barriers", 128, 2 * kTiles * 64, false), kTiles),
          through_registers("warp_exchange", 64, 128, true),
          with_rounds(through_registers("cluster_exchange", 128, 256, false), 3, 2),
          with_rounds(through_registers("async_barrier", 128, 2 * kTiles * 64, false), kTiles)};
}

std::vector<EmbeddedFile> hopper_headers() {
  static const std::string text = read("hopper.cuh");
  return {{"hopper.cuh", text}};
}

}  // namespace tenon::mutation
