// matmul.cpp: products by BLIS, of few rows by matvec.h. Work is cut into blocks of the result, one BLIS call each; operands of 16
// bits are widened a block at a time, so that a mapped weight never has an f32 copy.
#include <algorithm>
#include <cassert>

#include <blis.h>
#include "ir/diagnostics.h"
#include "runtime/convert.h"
#include "runtime/cpu/gemm.h"
#include "runtime/cpu/matvec.h"
#include "runtime/cpu/operations.h"
#include "runtime/cpu/thread_pool.h"

namespace tenon::cpu {
namespace {

int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

/// One operand as a batch of matrices.
struct Matrices {
  /// `column`: a vector stands for a column (right operand), else for a row.
  Matrices(const View& operand, bool transposed, bool column, llvm::ArrayRef<int64_t> batch_extents)
      : view(operand) {
    if (view.rank() == 1) {
      view.extents.insert(column ? view.extents.end() : view.extents.begin(), 1);
      view.strides.insert(column ? view.strides.end() : view.strides.begin(), 0);
    } else if (transposed) {
      size_t rank = view.extents.size();
      std::swap(view.extents[rank - 1], view.extents[rank - 2]);
      std::swap(view.strides[rank - 1], view.strides[rank - 2]);
    }
    Extents full(batch_extents.begin(), batch_extents.end());
    full.append(view.extents.end() - 2, view.extents.end());
    // A matrix axis of extent 1 keeps its stride; the batch axes broadcast.
    int64_t row = view.strides[view.rank() - 2], step = view.strides[view.rank() - 1];
    view = view.broadcast(full);
    view.strides[view.rank() - 2] = row;
    view.strides[view.rank() - 1] = step;
  }
  int64_t rows() const { return view.extents[view.rank() - 2]; }
  int64_t columns() const { return view.extents[view.rank() - 1]; }
  int64_t row_stride() const { return view.strides[view.rank() - 2]; }
  int64_t column_stride() const { return view.strides[view.rank() - 1]; }
  /// Where matrix `i` of the batch begins, in elements of the storage.
  int64_t start(int64_t i) const {
    int64_t at = view.offset;
    for (int64_t axis = view.rank() - 3; axis >= 0; i /= view.extents[axis--])
      at += i % view.extents[axis] * view.strides[axis];
    return at;
  }
  View view;
};

/// A block of an operand in f32: its own memory where it is f32, widened into `scratch` otherwise.
Panel panel_of(const Matrices& m, int64_t start, int64_t row, int64_t rows, int64_t column, int64_t columns,
               std::vector<float>& scratch) {
  DType dtype = m.view.dtype();
  int64_t at = start + row * m.row_stride() + column * m.column_stride();
  const std::byte* data = m.view.storage.data() + at * size_of(dtype);
  if (dtype == DType::kF32) return {reinterpret_cast<const float*>(data), m.row_stride(), m.column_stride()};
  scratch.resize(std::max<int64_t>(scratch.size(), rows * columns));
  // Along the memory: rows of a row-major matrix, columns of a transposed one.
  bool by_columns = m.column_stride() != 1 && m.row_stride() == 1;
  View block{
      m.view.storage, by_columns ? Extents{columns, rows} : Extents{rows, columns},
      by_columns ? Extents{m.column_stride(), m.row_stride()} : Extents{m.row_stride(), m.column_stride()},
      at};
  Walk(block).load(0, rows * columns, scratch.data());
  return by_columns ? Panel{scratch.data(), 1, rows} : Panel{scratch.data(), columns, 1};
}

struct Product {
  Product(const Node& node, Operands operands);
  void block(int64_t index) const;
  void choose_blocks();
  StreamedMatrix streamed() const;
  void stream();
  View run();

  Panel widened_weights(int64_t column, int64_t columns, std::vector<float>& scratch) const;

  const Node& node;
  Extents batch;
  const View& weights;  // the right operand
  Matrices a, b;
  Tensor result;
  std::byte* out;
  int64_t m, n, k, count = 1;
  int64_t block_m = 0, block_n = 0, blocks_m = 0, blocks_n = 0;
};

Extents batch_of(const Node& node) {
  const Type &a = node.operand(0)->type(), &b = node.operand(1)->type();
  size_t dropped = (a.rank() > 1) + (b.rank() > 1);
  return extents_of(llvm::ArrayRef<Dim>(node.type().shape).drop_back(dropped));
}

Product::Product(const Node& matmul, Operands operands)
    : node(matmul),
      batch(batch_of(node)),
      weights(operands[1]),
      a(operands[0], node.attributes.flag("transpose_a"), false, batch),
      b(operands[1], node.attributes.flag("transpose_b"), true, batch),
      result(Tensor::uninitialised(node.type())),
      out(result.mutable_data()),
      m(a.rows()),
      n(b.columns()),
      k(a.columns()) {
  for (int64_t extent : batch) count *= extent;
  // Rows of a whole batch times one matrix are one product.
  bool shared_b =
      std::all_of(b.view.strides.begin(), b.view.strides.end() - 2, [](int64_t s) { return s == 0; });
  if (shared_b && count > 1 && m > 0 && a.view.dense()) {
    a.view = a.view.reshaped({count * m, k});
    b.view = View{b.view.storage, {k, n}, {b.row_stride(), b.column_stride()}, b.view.offset};
    m *= count;
    count = 1;
  }
}

/// Columns first: a block of b is widened once, and packing it is paid by all rows of a.
void Product::choose_blocks() {
  int64_t tasks = 2 * thread_count();
  block_n = count >= tasks ? n : round_up((n + tasks - 1) / tasks, 16);
  block_n = std::clamp<int64_t>(block_n, std::min<int64_t>(n, 128), 1024);
  blocks_n = (n + block_n - 1) / block_n;
  int64_t cuts = std::max<int64_t>(1, tasks / std::max<int64_t>(1, count * blocks_n));
  block_m = std::clamp<int64_t>(round_up((m + cuts - 1) / cuts, 16), std::min<int64_t>(m, 32), m);
  blocks_m = (m + block_m - 1) / block_m;
}

/// A block of columns of quantised weights in f32.
Panel Product::widened_weights(int64_t column, int64_t columns, std::vector<float>& scratch) const {
  scratch.resize(std::max<int64_t>(scratch.size(), k * columns));
  const bool by_columns = node.attributes.flag("transpose_b");
  if (by_columns)
    for (int64_t i = 0; i < columns; ++i) dequantise_line(weights, column + i, 0, k, scratch.data() + i * k);
  else
    for (int64_t i = 0; i < k; ++i)
      dequantise_line(weights, i, column, columns, scratch.data() + i * columns);
  return by_columns ? Panel{scratch.data(), 1, k} : Panel{scratch.data(), columns, 1};
}

void Product::block(int64_t index) const {
  thread_local std::vector<float> a_scratch, b_scratch, c_scratch;
  int64_t column = index % blocks_n * block_n, row = index / blocks_n % blocks_m * block_m;
  int64_t matrix = index / blocks_n / blocks_m;
  int64_t rows = std::min(block_m, m - row), columns = std::min(block_n, n - column);
  Panel left = panel_of(a, a.start(matrix), row, rows, 0, k, a_scratch);
  Panel right = weights.group > 0 ? widened_weights(column, columns, b_scratch)
                                  : panel_of(b, b.start(matrix), 0, k, column, columns, b_scratch);
  int64_t size = size_of(result.dtype());
  std::byte* corner = out + ((matrix * m + row) * n + column) * size;
  if (result.dtype() == DType::kF32) {
    gemm(rows, columns, k, left, right, 0, reinterpret_cast<float*>(corner), n);
    return;
  }
  c_scratch.resize(std::max<int64_t>(c_scratch.size(), rows * columns));
  gemm(rows, columns, k, left, right, 0, c_scratch.data(), columns);
  for (int64_t i = 0; i < rows; ++i)
    from_f32(c_scratch.data() + i * columns, columns, result.dtype(), corner + i * n * size);
}

/// The right operand of a product without a batch.
StreamedMatrix Product::streamed() const {
  const std::byte* data = b.view.storage.data() + b.start(0) * size_of(b.view.dtype());
  return {data, b.view.dtype(), b.row_stride(), b.column_stride()};
}

/// A few rows: each thread reads its columns of b once, as they lie.
void Product::stream() {
  const View dense = a.view.made_dense();
  const auto* rows = reinterpret_cast<const float*>(dense.data());
  const StreamedMatrix matrix = streamed();
  const int64_t grain = std::max<int64_t>(round_up(n / (4 * thread_count()), 16), 16);
  parallel_pieces(n, grain, [&](int64_t begin, int64_t end) {
    thread_local std::vector<float> sums;
    sums.resize(m * (end - begin));
    matvec(m, k, rows, matrix, begin, end, sums.data());
    for (int64_t i = 0; i < m; ++i)
      from_f32(sums.data() + i * (end - begin), end - begin, result.dtype(),
               out + (i * n + begin) * size_of(result.dtype()));
  });
}

View Product::run() {
  if (result.elements() == 0) return View::of(std::move(result));
  if (a.view.dtype() != DType::kF32) {  // widened once, not once a block of columns
    Type wide{DType::kF32, {}};
    for (int64_t extent : a.view.extents) wide.shape.push_back(extent);
    Tensor floats = Tensor::uninitialised(wide);
    auto* values = reinterpret_cast<float*>(floats.mutable_data());
    Walk walk(a.view);
    parallel_pieces(floats.elements(), 16384,
                    [&](int64_t begin, int64_t end) { walk.load(begin, end - begin, values + begin); });
    a.view = View::of(std::move(floats));
  }
  if (count == 1 && m <= kMatvecRows && can_stream(streamed())) {
    stream();
    return View::of(std::move(result));
  }
  choose_blocks();
  parallel_for(count * blocks_m * blocks_n, [&](int64_t i) { block(i); });
  return View::of(std::move(result));
}

/// Integer products: exact modulo 2^bits.
View multiply_integers(const Node& node, Operands operands) {
  Product product(node, operands);
  const Matrices &a = product.a, &b = product.b;
  parallel_for(product.count * product.m, [&](int64_t i) {
    int64_t matrix = i / product.m, row = i % product.m;
    std::vector<int64_t> left(product.k), right(product.k), out(product.n);
    View a_row{a.view.storage, {product.k}, {a.column_stride()}, a.start(matrix) + row * a.row_stride()};
    Walk(a_row).load(0, product.k, left.data());
    for (int64_t j = 0; j < product.n; ++j) {
      View column{b.view.storage, {product.k}, {b.row_stride()}, b.start(matrix) + j * b.column_stride()};
      Walk(column).load(0, product.k, right.data());
      uint64_t sum = 0;
      for (int64_t p = 0; p < product.k; ++p)
        sum += static_cast<uint64_t>(left[p]) * static_cast<uint64_t>(right[p]);
      out[j] = static_cast<int64_t>(sum);
    }
    int64_t size = size_of(product.result.dtype());
    store(out.data(), product.n, product.result.dtype(), product.out + i * product.n * size);
  });
  return View::of(std::move(product.result));
}

}  // namespace

void gemm(int64_t m, int64_t n, int64_t k, Panel a, Panel b, float beta, float* c, int64_t row_stride_c) {
  float one = 1;
  bli_sgemm(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, m, n, k, &one, const_cast<float*>(a.data), a.row_stride,
            a.column_stride, const_cast<float*>(b.data), b.row_stride, b.column_stride, &beta, c,
            row_stride_c, 1);
}

View matmul(const Node& node, Operands operands) {
  if (is_integer(operands[0].dtype())) return multiply_integers(node, operands);
  return Product(node, operands).run();
}

}  // namespace tenon::cpu
