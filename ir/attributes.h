// attributes.h: the named constants of a node: axes, epsilons, flags.
#pragma once
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ir/shape.h"

namespace tenon {

/// One attribute's value. Integers are Dims, so that a slice's start may depend on a dynamic dim and say so.
using Attribute = std::variant<bool, Dim, double, std::string, Shape, std::vector<double>>;

/// A small dictionary from names (string literals of this code) to values, kept sorted by name, so that equal
/// dictionaries print equally. A missing name reads as the given default.
class Attributes {
 public:
  using Entry = std::pair<llvm::StringRef, Attribute>;
  Attributes() = default;
  Attributes(std::initializer_list<Entry> entries);

  /// Replaces or adds; `name` must outlive the graph (a literal).
  void set(llvm::StringRef name, Attribute value);
  void erase(llvm::StringRef name);
  const Attribute* find(llvm::StringRef name) const;

  bool flag(llvm::StringRef name) const;                             ///< false when missing
  int64_t integer(llvm::StringRef name, int64_t missing = 0) const;  ///< a Dim's number
  Dim dim(llvm::StringRef name, Dim missing = 0) const;
  double number(llvm::StringRef name, double missing = 0) const;  ///< a double, or a Dim's number
  llvm::StringRef string(llvm::StringRef name) const;             ///< "" when missing
  llvm::ArrayRef<Dim> dims(llvm::StringRef name) const;           ///< empty when missing
  Extents integers(llvm::StringRef name) const;                   ///< the numbers of dims(name)
  llvm::ArrayRef<double> numbers(llvm::StringRef name) const;     ///< empty when missing

  bool empty() const { return entries_.empty(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  /// "{axis = 1, keepdims = true}"; "" when empty. False flags are not kept, so not printed.
  std::string text() const;
  friend bool operator==(const Attributes& a, const Attributes& b) { return a.entries_ == b.entries_; }

 private:
  std::vector<Entry> entries_;
};

/// Shortest decimal text that reads back as the same double: "0.5", "1e-05", "inf", "nan"; integers keep
/// ".0".
std::string text_of(double value);

}  // namespace tenon
