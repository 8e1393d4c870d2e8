// product_scope.h: what emitters of product kernels need to print indices: the kernel's parameters, and digits
// of its coordinates as named integers.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "codegen/families/digits.h"
#include "codegen/names.h"
#include "codegen/plan.h"
#include "codegen/text.h"
#include "llvm/ADT/STLExtras.h"

namespace tenon {

/// The parameters of a kernel in order of first use, with what the launch passes for each; and who uses them.
class ProductParameters {
 public:
  struct Parameter {
    std::string type, name;
    KernelArgument argument;
  };
  ProductParameters(const Graph& body, Names& names) : body_(body), names_(names) {}
  Names& names() { return names_; }

  std::string pointer(const Value* base);  ///< to a parameter of the body or a packed value
  std::string result(int output);
  std::string dim(const Dim& dim);  ///< the number, or the name of the parameter that carries it
  std::string text(const Extent& extent);
  void workspace();

  /// What has been used since the last call of begin_use, in order: members of a struct that prints with
  /// them.
  void begin_use() { used_.clear(); }
  const std::vector<Parameter>& used() const { return used_; }
  /// Makes an integer of the kernel's own a thing to use: "batch".
  std::string local(llvm::StringRef name);

  /// Operands, results, extents, scratch; in each group in order of first use.
  std::vector<Parameter> in_order() const;
  const std::vector<const Value*>& packed() const { return packed_; }

 private:
  std::string use(const std::string& key, llvm::StringRef type, KernelArgument argument,
                  llvm::function_ref<std::string()> name);

  const Graph& body_;
  Names& names_;
  std::vector<Parameter> parameters_, used_;
  std::vector<const Value*> packed_;
  std::map<std::string, size_t> index_;
};

/// Coordinates as they are called in one piece of generated code, and the digits of them that it has named.
class IndexScope {
 public:
  IndexScope(Text& text, ProductParameters& parameters, std::string batch, std::string row, std::string col)
      : text_(&text),
        parameters_(&parameters),
        coordinates_{std::move(batch), std::move(row), std::move(col)} {}

  /// An integer expression; prints its definition where it is no coordinate itself.
  std::string digit(const Digit& digit);
  /// "i64(at.row) * 768 + at.col"; "" for no terms.
  std::string address(llvm::ArrayRef<AddressTerm> terms, const Extent& offset = 0);
  const std::string& col() const { return coordinates_[2]; }
  /// The same scope with another column, for a function of it.
  IndexScope with_col(std::string col) const;

 private:
  Text* text_;
  ProductParameters* parameters_;
  std::string coordinates_[3];
  std::map<std::string, std::string> named_;
};

}  // namespace tenon
