// shape.cpp: arithmetic and text of extents, shapes and types.
#include "ir/shape.h"

#include <mutex>
#include <unordered_set>

#include "ir/diagnostics.h"

namespace tenon {
namespace {

constexpr int64_t kMaxExtent = int64_t{1} << 62;
constexpr size_t kMaxSymbol = 1024;  // joining a value to itself doubles its symbol, again and again

const std::string* intern(llvm::StringRef text) {
  static std::mutex mutex;
  static auto* pool =
      new std::unordered_set<std::string>;  // symbols outlive every graph; a model has a handful
  std::lock_guard lock(mutex);
  return &*pool->emplace(text.str()).first;
}

[[noreturn]] void too_large(const std::string& what) { throw Error(what + " is too large: more than 2^62"); }

Dim computed(int64_t extent, const std::string& symbol) {
  if (symbol.size() > kMaxSymbol)
    throw Error("this extent takes more than " + std::to_string(kMaxSymbol) +
                " characters to write: " + symbol.substr(0, 40) + "..");
  return {extent, symbol};
}

std::string parenthesised(const Dim& d) {
  std::string text = d.text();
  return d.dynamic() && text.find_first_of("+-/") != std::string::npos ? "(" + text + ")" : text;
}

}  // namespace

Dim::Dim(int64_t extent, llvm::StringRef symbol)
    : extent_(extent), symbol_(symbol.empty() ? nullptr : intern(symbol)) {}

Dim operator+(const Dim& a, const Dim& b) {
  int64_t value;
  if (__builtin_add_overflow(a.extent(), b.extent(), &value) || value > kMaxExtent)
    too_large(a.text() + " + " + b.text());
  if (!a.dynamic() && !b.dynamic()) return value;
  if (!b.dynamic() && b.extent() == 0) return a;
  if (!a.dynamic() && a.extent() == 0) return b;
  return computed(value, a.text() + "+" + b.text());
}

Dim operator-(const Dim& a, const Dim& b) {
  int64_t value = a.extent() - b.extent();
  if (!a.dynamic() && !b.dynamic()) return value;
  if (!b.dynamic() && b.extent() == 0) return a;
  if (a.dynamic() && b.dynamic() && a.symbol() == b.symbol()) return 0;
  return computed(value, a.text() + "-" + parenthesised(b));
}

Dim operator*(const Dim& a, const Dim& b) {
  int64_t value;
  if (__builtin_mul_overflow(a.extent(), b.extent(), &value) || value > kMaxExtent)
    too_large(a.text() + " * " + b.text());
  if (!a.dynamic() && !b.dynamic()) return value;
  for (const auto& [fixed, other] : {std::pair(a, b), std::pair(b, a)}) {
    if (fixed.dynamic()) continue;
    if (fixed.extent() == 0) return 0;
    if (fixed.extent() == 1) return other;
  }
  return computed(value, parenthesised(a) + "*" + parenthesised(b));
}

Dim floor_div(const Dim& a, const Dim& b) {
  int64_t quotient = a.extent() / b.extent();
  if (a.extent() % b.extent() != 0 && (a.extent() < 0) != (b.extent() < 0)) --quotient;
  if ((!a.dynamic() && !b.dynamic()) || (a.dynamic() && b.dynamic() && a.symbol() == b.symbol()))
    return quotient;
  if (!b.dynamic() && b.extent() == 1) return a;
  return computed(quotient, parenthesised(a) + "//" + parenthesised(b));
}

int64_t element_count(llvm::ArrayRef<Dim> shape) {
  int64_t count = 1;
  for (const Dim& d : shape)
    if (d.extent() == 0) return 0;
  for (const Dim& d : shape)
    if (__builtin_mul_overflow(count, d.extent(), &count) || count > kMaxExtent)
      too_large("a tensor of shape " + text_of(shape));
  return count;
}

Dim element_count_dim(llvm::ArrayRef<Dim> shape) {
  Dim count = 1;
  for (const Dim& d : shape) count = count * d;
  return count;
}

Extents extents_of(llvm::ArrayRef<Dim> shape) {
  Extents result;
  for (const Dim& d : shape) result.push_back(d.extent());
  return result;
}

Extents row_major_strides(llvm::ArrayRef<Dim> shape) {
  Extents strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;)
    strides[i - 1] = strides[i] * std::max<int64_t>(shape[i].extent(), 1);
  return strides;
}

int64_t Type::bytes() const {
  int64_t bytes;
  if (__builtin_mul_overflow(elements(), size_of(dtype), &bytes)) too_large("a tensor of type " + text());
  return bytes;
}

std::string text_of(llvm::ArrayRef<Dim> shape) {
  std::string text = "[";
  for (const Dim& d : shape) text += (text.size() > 1 ? ", " : "") + d.text();
  return text + "]";
}

std::string Type::text() const { return name_of(dtype).str() + text_of(shape); }

}  // namespace tenon
