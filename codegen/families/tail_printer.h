// tail_printer.h: the values of a product's head and tail as straight-line code over runs of neighbouring
// elements.
#pragma once
#include <optional>

#include "codegen/expression_printer.h"
#include "codegen/families/product.h"
#include "codegen/families/product_scope.h"

namespace tenon {

/// How many neighbouring elements one line of code stands for, and how many of them exist.
struct Run {
  int elements = 8;
  std::string count;  ///< an expression; "" when all exist
};

/// The elements of a leaf (is_leaf) that a value of index map `map` meets: a number, a load, or elementwise
/// ops over them.
std::string leaf_text(const Value* leaf, const DigitMap& map, const Run& run, ProductParameters& parameters,
                      IndexScope& scope);
/// A leaf's load alone, and whether it is a run (else it is one element for the whole run).
std::string load_text(const Value* leaf, const DigitMap& map, const Run& run, ProductParameters& parameters,
                      IndexScope& scope, bool& is_run);

/// Prints the body of an epilogue: every output of the region, segment by segment.
class TailPrinter {
 public:
  TailPrinter(Text& text, Names& names, ProductParameters& parameters, const Region& region,
              const ProductProblem& problem, Run run)
      : text_(text),
        names_(names),
        parameters_(parameters),
        region_(region),
        problem_(problem),
        run_(std::move(run)) {}

  void print();
  /// The body of a function that gives the elements that head norms square.
  void print_before_norm();
  /// Frequencies of rotary positions that no operand brings: {name, values}.
  const std::vector<std::pair<std::string, std::vector<double>>>& tables() const { return tables_; }

 private:
  struct Code {  ///< values printed so far in one scope
    IndexScope scope;
    ExpressionPrinter printer;
    Dim begin;   ///< the column of the product at which the scope's column counts 0
    bool moved;  ///< the column is not the epilogue call's own
  };
  /// Code for a run of the columns [begin, begin + count), in a condition where there are others.
  /// `uses_column`: the body surely does.
  void print_segment(const Dim& begin, const Dim& count, bool uses_column,
                     llvm::function_ref<void(Code&)> body);
  void need(const Value* value, Code& code);
  /// The scope whose column a value counts, where that is not the code's own: one before the segment's slice
  /// counts from further left than the segment does.
  std::optional<IndexScope> scope_before_slice(const Value* value, Code& code);
  /// The run's first column as the product counts it.
  std::string product_column(const Code& code);
  void need_moments(const Node& node, Code& code);
  void need_head_norm(const Node& node, Code& code);
  void need_rope(const Node& node, Code& code);
  std::string position_text(const Node& rope, Code& code);
  std::string frequency_text(const Node& rope, const std::string& element, int count);
  void store(int output, Code& code);
  void store_cache(int output, const Node& node, Code& code);
  /// The token of its row's cache at which an element of new rows (index map `map`) goes, as a printed integer.
  std::string print_slot(const Node& write, const DigitMap& map, Code& code);
  /// The page of the pool that holds the slot, likewise.
  std::string print_page(const Node& write, const std::string& slot, const DigitMap& map, Code& code);
  void print_store(const std::string& pointer, const std::string& value,
                   const std::vector<AddressTerm>& terms, const std::string& extra, int64_t extra_alignment,
                   Code& code);

  Text& text_;
  Names& names_;
  ProductParameters& parameters_;
  const Region& region_;
  const ProductProblem& problem_;
  Run run_;
  std::vector<std::pair<std::string, std::vector<double>>> tables_;
};

}  // namespace tenon
