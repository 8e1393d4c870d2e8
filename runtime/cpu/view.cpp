// view.cpp: strides, and the walks and copies through them.
#include "runtime/cpu/view.h"

#include <cassert>

#include "runtime/convert.h"
#include "runtime/cpu/thread_pool.h"

namespace tenon::cpu {
namespace {

int64_t product(llvm::ArrayRef<int64_t> extents) {
  int64_t count = 1;
  for (int64_t extent : extents) count *= extent;
  return count;
}

template <class Element>
void gather_elements(const std::byte* data, int64_t step, int64_t count, std::byte* out) {
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(out + i * sizeof(Element), data + i * step * static_cast<int64_t>(sizeof(Element)),
                sizeof(Element));
}

/// `count` elements of `size` bytes, `step` elements apart, to dense memory.
void gather_raw(const std::byte* data, int64_t step, int64_t count, int64_t size, std::byte* out) {
  if (step == 1) {
    std::memcpy(out, data, count * size);
    return;
  }
  switch (size) {
    case 1: return gather_elements<uint8_t>(data, step, count, out);
    case 2: return gather_elements<uint16_t>(data, step, count, out);
    case 4: return gather_elements<uint32_t>(data, step, count, out);
    default: return gather_elements<uint64_t>(data, step, count, out);
  }
}

void convert(DType dtype, const std::byte* data, int64_t count, float* out) {
  if (!is_integer(dtype)) return to_f32(dtype, data, count, out);
  constexpr int64_t kPiece = 256;
  int64_t wide[kPiece];
  for (int64_t at = 0; at < count; at += kPiece) {
    int64_t length = std::min(kPiece, count - at);
    to_i64(dtype, data + at * size_of(dtype), length, wide);
    for (int64_t i = 0; i < length; ++i) out[at + i] = static_cast<float>(wide[i]);
  }
}
void convert(DType dtype, const std::byte* data, int64_t count, int64_t* out) {
  to_i64(dtype, data, count, out);
}

}  // namespace

Extents dense_strides(llvm::ArrayRef<int64_t> extents) {
  Extents strides(extents.size(), 1);
  for (size_t i = extents.size(); i-- > 1;) strides[i - 1] = strides[i] * std::max<int64_t>(extents[i], 1);
  return strides;
}

View View::of(Tensor tensor) {
  View view;
  view.extents = extents_of(tensor.type().shape);
  view.strides = dense_strides(view.extents);
  view.storage = std::move(tensor);
  return view;
}

int64_t View::elements() const { return product(extents); }

bool View::dense() const {
  int64_t expected = 1;
  for (size_t i = extents.size(); i-- > 0; expected *= extents[i]) {
    if (extents[i] == 0) return true;
    if (extents[i] != 1 && strides[i] != expected) return false;
  }
  return true;
}

View View::permuted(llvm::ArrayRef<int64_t> perm) const {
  View view{storage, {}, {}, offset};
  for (int64_t axis : perm) {
    view.extents.push_back(extents[axis]);
    view.strides.push_back(strides[axis]);
  }
  return view;
}

View View::broadcast(llvm::ArrayRef<int64_t> shape) const {
  View view{storage, Extents(shape.begin(), shape.end()), Extents(shape.size(), 0), offset};
  size_t skip = shape.size() - extents.size();
  for (size_t i = 0; i < extents.size(); ++i)
    if (extents[i] != 1) view.strides[skip + i] = strides[i];
  return view;
}

/// Each group of old axes must be one evenly strided axis where a group of new ones has the same product;
/// axes of extent 1 take no part.
View View::reshaped(llvm::ArrayRef<int64_t> shape) const {
  View view{storage, Extents(shape.begin(), shape.end()), dense_strides(shape), offset};
  if (dense()) return view;
  Extents old_extents, old_strides, axes;
  for (size_t i = 0; i < extents.size(); ++i)
    if (extents[i] != 1) old_extents.push_back(extents[i]), old_strides.push_back(strides[i]);
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != 1) axes.push_back(static_cast<int64_t>(i));
  size_t from = 0, to = 0;
  while (from < old_extents.size()) {
    size_t to_begin = to;
    int64_t old_count = old_extents[from], new_count = shape[axes[to++]];
    while (old_count != new_count) {
      if (old_count < new_count) {
        ++from;
        bool even = old_strides[from - 1] == old_strides[from] * old_extents[from];
        if (!even) return made_dense().reshaped(shape);
        old_count *= old_extents[from];
      } else {
        new_count *= shape[axes[to++]];
      }
    }
    int64_t stride = old_strides[from++];
    for (size_t i = to; i-- > to_begin; stride *= shape[axes[i]]) view.strides[axes[i]] = stride;
  }
  return view;
}

View View::made_dense() const {
  if (dense()) return *this;
  Type type{dtype(), {}};
  for (int64_t extent : extents) type.shape.push_back(extent);
  View result = View::of(Tensor::uninitialised(type));
  copy_to(*this, result.storage.mutable_data(), result.strides);
  return result;
}

Tensor View::tensor(const Type& type) const {
  View view = made_dense();
  if (view.offset == 0 && view.storage.elements() == elements()) return view.storage.reshaped(type.shape);
  Tensor result = Tensor::uninitialised(type);
  std::memcpy(result.mutable_data(), view.data(), result.bytes());
  return result;
}

void copy_to(const View& from, std::byte* to, llvm::ArrayRef<int64_t> to_strides) {
  int64_t size = size_of(from.dtype()), count = from.elements();
  if (count == 0) return;
  int64_t inner = from.extents.empty() ? 1 : from.extents.back();
  int64_t from_step = from.extents.empty() ? 0 : from.strides.back();
  int64_t to_step = to_strides.empty() ? 1 : to_strides.back();
  assert((inner == 1 || to_step == 1) && "rows are written together");
  (void)to_step;
  int64_t rows = count / inner, grain = std::max<int64_t>(1, 16384 / inner);
  parallel_pieces(rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t source = from.offset, target = 0, index = row;
      for (int64_t axis = from.rank() - 2; axis >= 0; index /= from.extents[axis--]) {
        source += index % from.extents[axis] * from.strides[axis];
        target += index % from.extents[axis] * to_strides[axis];
      }
      gather_raw(from.storage.data() + source * size, from_step, inner, size, to + target * size);
    }
  });
}

Walk::Walk(const View& view) : dtype_(view.dtype()), data_(view.storage.data()), offset_(view.offset) {
  for (int64_t i = 0; i < view.rank(); ++i) {
    if (view.extents[i] == 1) continue;
    bool together = !extents_.empty() && strides_.back() == view.strides[i] * view.extents[i];
    if (together) {
      extents_.back() *= view.extents[i];
      strides_.back() = view.strides[i];
    } else {
      extents_.push_back(view.extents[i]);
      strides_.push_back(view.strides[i]);
    }
  }
  if (extents_.empty()) extents_.push_back(1), strides_.push_back(1);
}

template <class T>
void Walk::load_as(int64_t begin, int64_t count, T* out) const {
  constexpr int64_t kPiece = 512;
  alignas(8) std::byte raw[kPiece * 8];
  int64_t size = size_of(dtype_);
  runs(begin, count, [&](int64_t at, int64_t step, int64_t length) {
    const std::byte* data = data_ + at * size;
    if (step == 1) {
      convert(dtype_, data, length, out);
    } else if (step == 0) {
      convert(dtype_, data, 1, out);
      std::fill(out + 1, out + length, out[0]);
    } else {
      for (int64_t done = 0; done < length; done += kPiece) {
        int64_t piece = std::min(kPiece, length - done);
        gather_raw(data + done * step * size, step, piece, size, raw);
        convert(dtype_, raw, piece, out + done);
      }
    }
    out += length;
  });
}

void Walk::load(int64_t begin, int64_t count, float* out) const { load_as(begin, count, out); }
void Walk::load(int64_t begin, int64_t count, int64_t* out) const { load_as(begin, count, out); }

void store(const float* values, int64_t count, DType dtype, std::byte* out) {
  from_f32(values, count, dtype, out);
}
void store(const int64_t* values, int64_t count, DType dtype, std::byte* out) {
  from_i64(values, count, dtype, out);
}

}  // namespace tenon::cpu
