// tail_printer.cpp: loads, elementwise lines, rotary positions, cache writes and stores of a product's
// epilogue.
#include "codegen/families/tail_printer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>

#include "ir/infer.h"

namespace tenon {
namespace {

/// The term of the innermost column digit, along which a run goes; null when the address does not depend on
/// it.
const AddressTerm* run_term(llvm::ArrayRef<AddressTerm> terms) {
  if (terms.empty()) return nullptr;
  const AddressTerm& last = terms.back();
  return last.digit.coordinate == Coordinate::kCol && last.digit.weight.value() == 1 &&
                 last.stride.value() != 0
             ? &last
             : nullptr;
}

/// Elements, at most `elements`, that a run's first one is surely aligned to.
int alignment_of(llvm::ArrayRef<AddressTerm> terms, const AddressTerm* run, int64_t offset, int elements) {
  int64_t common = std::gcd<int64_t>(elements, offset);
  for (const AddressTerm& term : terms)
    if (&term != run) common = std::gcd(common, term.stride.value());
  return static_cast<int>(common);
}

std::string sum_of(const std::string& pointer, const std::string& address) {
  return address.empty() ? pointer : pointer + " + " + address;
}

DigitMap from_right(const DigitMap& map, size_t rank) {
  return DigitMap(map.end() - std::min(rank, map.size()), map.end());
}

bool hides_approximation(DType type) { return type == DType::kBF16 || type == DType::kF16; }

}  // namespace

std::string load_text(const Value* leaf, const DigitMap& map, const Run& run, ProductParameters& parameters,
                      IndexScope& scope, bool& is_run) {
  const OperandView view = *operand_view(leaf);
  const Shape& shape = leaf->type().shape;
  const std::vector<AddressTerm> terms = address_of(from_right(map, shape.size()), shape, view.strides);
  const AddressTerm* along = run_term(terms);
  const std::string pointer = parameters.pointer(view.base), address = scope.address(terms, view.offset);
  const std::string elements = std::to_string(run.elements),
                    count = run.count.empty() ? "" : ", " + run.count;
  is_run = along != nullptr;
  if (!along) return "widen(" + pointer + "[" + (address.empty() ? "0" : address) + "])";
  if (along->stride.value() != 1)
    return "load_strided<" + elements + ">(" + sum_of(pointer, address) + ", " +
           parameters.text(along->stride) + (run.count.empty() ? ", " + elements : count) + ")";
  const int aligned = alignment_of(terms, along, view.offset.value(), run.elements);
  return "load<" + elements + (aligned < run.elements ? ", " + std::to_string(aligned) : "") + ">(" +
         sum_of(pointer, address) + count + ")";
}

std::string leaf_text(const Value* leaf, const DigitMap& map, const Run& run, ProductParameters& parameters,
                      IndexScope& scope) {
  if (is_uniform(leaf)) return literal(leaf->node()->attributes.number("value"), leaf->type().dtype);
  bool is_run;
  if (operand_view(leaf)) return load_text(leaf, map, run, parameters, scope, is_run);
  std::vector<std::string> operands;
  for (const Value* operand : leaf->node()->operands())
    operands.push_back("(" + leaf_text(operand, map, run, parameters, scope) + ")");
  return ExpressionPrinter::expression(*leaf->node(), operands);
}

void TailPrinter::print() {
  std::map<std::pair<int64_t, int64_t>, std::vector<int>> segments;  // outputs by the columns that they cover
  for (size_t i = 0; i < region_.body->outputs().size(); ++i) {
    const Value* value = region_.body->outputs()[i].value;
    const TailValue& tail = problem_.values.find(value)->second;
    segments[{tail.begin.extent(), tail.count.extent()}].push_back(static_cast<int>(i));
  }
  for (const auto& [columns, outputs] : segments) {
    const TailValue& tail = problem_.values.find(region_.body->outputs()[outputs[0]].value)->second;
    print_segment(tail.begin, tail.count, true, [&, &to = outputs](Code& code) {
      for (int output : to) store(output, code);
    });
  }
}

void TailPrinter::print_before_norm() {
  llvm::SmallVector<const Value*, 2> heads;
  for (const Node* norm : problem_.head_norms)
    if (!llvm::is_contained(heads, norm->operand(0))) heads.push_back(norm->operand(0));
  for (const Value* x : heads) {
    const TailValue& at = problem_.values.find(x)->second;
    print_segment(at.begin, at.count, false, [&](Code& code) {
      need(x, code);
      text_.line("return " + code.printer(x) + ";");
    });
    if (at.count == problem_.n) return;
  }
  text_.line("return {};");
}

void TailPrinter::print_segment(const Dim& begin, const Dim& count, bool uses_column,
                                llvm::function_ref<void(Code&)> body) {
  const bool whole = count == problem_.n, first = begin.extent() == 0;
  const std::string first_col = parameters_.dim(begin);
  if (!whole) {
    const std::string end = "at.col < " + parameters_.dim(begin + count);
    text_.open("if (" + (first ? end : "at.col >= " + first_col + " && " + end) + ")");
    const std::string unused = uses_column ? "" : "[[maybe_unused]] ";
    if (!first) text_.line(unused + "const int col = at.col - " + first_col + ";");
  }
  const std::string col = first ? "at.col" : "col";
  Code code{IndexScope(text_, parameters_, "batch", "at.row", col), ExpressionPrinter(text_, names_), begin,
            false};
  body(code);
  if (!whole) text_.close();
}

void TailPrinter::need(const Value* value, Code& code) {
  if (code.printer.bound(value)) return;
  const Node& node = *value->node();
  if (node.op() == Op::kMoments) return need_moments(node, code);
  if (node.op() == Op::kRmsnorm) return need_head_norm(node, code);
  if (node.op() == Op::kRope) return need_rope(node, code);
  if (auto product = llvm::find(problem_.products, &node); product != problem_.products.end()) {
    const std::string which =
        problem_.products.size() > 1 ? std::to_string(product - problem_.products.begin()) : "";
    const std::string& name = names_(value);
    text_.from(node.location);
    text_.line("const auto " + name + " = " +
               (code.moved
                    ? "at.product_at(" + product_column(code) + (which.empty() ? "" : ", " + which) + ")"
                    : "at.product(" + which + ")") +
               ";");
    return code.printer.bind(value, name);
  }
  if (!is_elementwise(node.op())) {  // movement: other digits for the same elements
    need(node.operand(0), code);
    return code.printer.bind(value, code.printer(node.operand(0)));
  }
  const TailValue& at = problem_.values.find(value)->second;
  for (const Value* operand : node.operands())
    if (!is_leaf(problem_, operand)) need(operand, code);
  std::optional<IndexScope> shifted = scope_before_slice(value, code);
  IndexScope& scope = shifted ? *shifted : code.scope;
  for (const Value* operand : node.operands())
    if (is_leaf(problem_, operand) && !is_uniform(operand))
      code.printer.bind(operand, leaf_text(operand, at.map, run_, parameters_, scope));
  code.printer.print(node);
}

std::optional<IndexScope> TailPrinter::scope_before_slice(const Value* value, Code& code) {
  const TailValue& at = problem_.values.find(value)->second;
  const Dim shift = at.per_row ? Dim(0) : code.begin - at.begin;
  if (shift.extent() == 0) return std::nullopt;
  const bool own_call = at.begin.extent() == 0 && !code.moved;
  return code.scope.with_col(own_call ? "at.col"
                                      : "(" + code.scope.col() + " + " + parameters_.dim(shift) + ")");
}

std::string TailPrinter::product_column(const Code& code) {
  return code.begin.extent() == 0 ? code.scope.col() : code.scope.col() + " + " + parameters_.dim(code.begin);
}

void TailPrinter::need_head_norm(const Node& node, Code& code) {
  const Value *x = node.operand(0), *weight = optional_operand(node, "weight");
  need(x, code);
  std::optional<IndexScope> shifted = scope_before_slice(x, code);
  const std::string& name = names_(node.result());
  const std::string rstd = names_.fresh(name + "_rstd");
  const std::string mean = code.moved ? "at.head_mean_square_at(" + product_column(code) + ")"
                                      : std::string("at.head_mean_square()");
  std::string scaled = code.printer(x) + " * " + rstd;
  if (weight) {
    const std::string factor = leaf_text(weight, problem_.values.find(x)->second.map, run_, parameters_,
                                         shifted ? *shifted : code.scope);
    scaled += " * " + (operand_view(weight) ? factor : "(" + factor + ")");
  }
  text_.from(node.location);
  text_.line("const float " + rstd + " = rsqrt(" + mean + " + " +
             literal(node.attributes.number("eps"), DType::kF32) + ");");
  text_.from(node.location);
  text_.line("const auto " + name + " = " + scaled + ";");
  code.printer.bind(node.result(), name);
}

void TailPrinter::need_moments(const Node& node, Code& code) {
  const bool rms = node.attributes.flag("rms");
  const std::string eps = literal(node.attributes.number("eps"), DType::kF32);
  const Value *mean = node.result(0), *rstd = node.result(1);
  if (rms) {
    code.printer.bind(mean, "0.0f");
  } else if (!mean->unused()) {
    text_.from(node.location);
    text_.line("const float " + names_(mean) + " = at.mean();");
    code.printer.bind(mean, names_(mean));
  }
  text_.from(node.location);
  text_.line("const float " + names_(rstd) + " = rsqrt(" + (rms ? "at.mean_square()" : "at.variance()") +
             " + " + eps + ");");
  code.printer.bind(rstd, names_(rstd));
}

std::string TailPrinter::position_text(const Node& rope, Code& code) {
  const Value* position = rope.operand(1);
  const DigitMap& map = problem_.values.find(rope.operand(0))->second.map;  // [B, n, T, d]
  const Shape& shape = position->type().shape;
  const DigitMap token{map[2]}, batch_and_token{map[0], map[2]};
  const DigitMap& axes = shape.size() == 2 ? batch_and_token : token;
  const bool counts_on = shape.empty() || (shape.size() == 2 && shape[1] == 1 && rope.type().shape[2] != 1);
  const OperandView view = *operand_view(position);
  const std::string address =
      shape.empty() ? "" : code.scope.address(address_of(axes, shape, view.strides), view.offset);
  const std::string first = parameters_.pointer(view.base) + "[" + (address.empty() ? "0" : address) + "]";
  if (!counts_on) return "float(" + first + ")";
  const Extent one = 1;
  const std::string token_text = code.scope.address(address_of(token, {rope.type().shape[2]}, one));
  return "float(" + first + (token_text.empty() ? "" : " + " + token_text) + ")";
}

std::string TailPrinter::frequency_text(const Node& rope, const std::string& element, int count) {
  const std::string load = "load<" + std::to_string(count) + ">(";
  if (const Value* given = optional_operand(rope, "frequencies")) {
    const OperandView view = *operand_view(given);
    const std::string offset = view.offset.value() == 0 ? "" : parameters_.text(view.offset) + " + ";
    return load + parameters_.pointer(view.base) + " + " + offset + element + ")";
  }
  const int64_t pairs = rope.attributes.integer("rotary_dim", rope.type().shape.back().extent()) / 2;
  const double theta = rope.attributes.number("theta", 10000.0);
  std::vector<double> values;
  for (int64_t i = 0; i < pairs; ++i)
    values.push_back(std::pow(theta, -static_cast<double>(i) / static_cast<double>(pairs)));
  auto found = llvm::find_if(tables_, [&](const auto& table) { return table.second == values; });
  if (found == tables_.end()) {
    found = tables_.insert(tables_.end(), {names_.fresh("kFrequencies"), values});
  }
  return load + found->first + " + " + element + ")";
}

void TailPrinter::need_rope(const Node& node, Code& code) {
  const Value* x = node.operand(0);
  const int64_t head_dim = node.type().shape.back().extent(),
                rotary = node.attributes.integer("rotary_dim", head_dim);
  const bool interleaved = node.attributes.flag("interleaved");
  const std::string half = std::to_string(rotary / 2), name = names_(node.result());
  const std::string scale = literal(node.attributes.number("scale", 1.0), DType::kF32);
  const std::string approx = hides_approximation(node.type().dtype) ? "_approx" : "";
  const auto variable = [&](const char* what) { return names_.fresh(name + "_" + what); };
  const std::string element = code.scope.digit(problem_.values.find(x)->second.map.back()[0]);
  const std::string position = position_text(node, code);
  const std::string pair = interleaved ? element + " / 2 % " + half : element + " % " + half;
  const std::string frequency = frequency_text(node, pair, interleaved ? run_.elements / 2 : run_.elements);
  const std::string angle = variable("angle");
  text_.line("const auto " + angle + " = " + frequency + " * " + position + ";");
  std::string own, rotated;
  if (interleaved) {
    need(x, code);
    own = code.printer(x);
    rotated = "rotate_pairs" + approx + "(" + own + ", " + angle + ", " + scale + ")";
  } else {
    const std::string upper = variable("upper"), before = variable("before");
    const std::string column = names_.fresh("column");
    own = variable("own");
    text_.line("const bool " + upper + " = " + element + " >= " + half + ";");
    text_.open("const auto " + before + " = [&](int " + column + ")");
    Code moved{code.scope.with_col(column), ExpressionPrinter(text_, names_), code.begin, true};
    need(x, moved);
    text_.line("return " + moved.printer(x) + ";");
    text_.close(";");
    text_.line("const auto " + own + " = " + before + "(" + code.scope.col() + ");");
    rotated = "rotate_halves" + approx + "(" + own + ", " + before + "(" + upper + " ? " + code.scope.col() +
              " - " + half + " : " + code.scope.col() + " + " + half + "), " + angle + ", " + upper + ", " +
              scale + ")";
  }
  if (rotary < head_dim) rotated = element + " < " + std::to_string(rotary) + " ? " + rotated + " : " + own;
  text_.from(node.location);
  text_.line("const auto " + name + " = " + rotated + ";");
  code.printer.bind(node.result(), name);
}

void TailPrinter::store(int output, Code& code) {
  const Value* value = region_.body->outputs()[output].value;
  if (value->node()->op() == Op::kCacheWrite) return store_cache(output, *value->node(), code);
  need(value, code);
  const Shape& shape = value->type().shape;
  const std::vector<AddressTerm> terms =
      address_of(problem_.values.find(value)->second.map, shape, row_major(shape));
  const TailValue& tail = problem_.values.find(value)->second;
  const std::string element = code.printer(value) + (tail.per_row || run_term(terms) ? "" : "[0]");
  print_store(parameters_.result(output), element, terms, "", 0, code);
}

std::string TailPrinter::print_slot(const Node& write, const DigitMap& map, Code& code) {
  const Value* position = write.operand(2);
  const Shape& of_rows = position->type().shape;
  const OperandView view = *operand_view(position);
  const Extent one = 1;
  const std::string row =
      of_rows.empty() ? "0" : code.scope.address(address_of({map[0]}, of_rows, view.strides), view.offset);
  const std::string token =
      code.scope.address(address_of({map[2]}, {write.operand(1)->type().shape[2]}, one));
  const std::string slot = names_.fresh("slot");
  text_.line("const i64 " + slot + " = " + parameters_.pointer(view.base) + "[" + (row.empty() ? "0" : row) +
             "]" + (token.empty() ? "" : " + " + token) + ";");
  return slot;
}

std::string TailPrinter::print_page(const Node& write, const std::string& slot, const DigitMap& map,
                                    Code& code) {
  const Value* pages = write.operand(3);
  const OperandView table = *operand_view(pages);
  const std::string row =
      code.scope.address(address_of({map[0]}, {pages->type().shape[0]}, {table.strides[0]}), table.offset);
  const std::string stride = table.strides[1].value() == 1 ? "" : " * " + parameters_.text(table.strides[1]);
  const std::string page = names_.fresh("page");
  text_.line("const i64 " + page + " = " + parameters_.pointer(table.base) + "[" +
             (row.empty() ? "" : row + " + ") + slot + " / " + parameters_.dim(write.type().shape[2]) +
             stride + "];");
  return page;
}

void TailPrinter::store_cache(int output, const Node& node, Code& code) {
  const Value *fresh = node.operand(1), *pages = optional_operand(node, "pages");
  need(fresh, code);
  const DigitMap& map = problem_.values.find(fresh)->second.map;  // [B, H, T, d] into [B or P, H, C, d]
  const Shape &cache = node.type().shape, &rows = fresh->type().shape;
  const std::vector<Extent> strides = row_major(cache);
  const auto open_if_inside = [&](const std::string& index, const Dim& extent) {
    text_.open("if (" + index + " >= 0 && " + index + " < " + parameters_.dim(extent) + ")");
  };
  const std::string slot = print_slot(node, map, code);
  open_if_inside(slot, pages ? cache[2] * pages->type().shape[1] : cache[2]);
  std::string place = slot;
  if (pages) {
    const std::string page = print_page(node, slot, map, code);
    open_if_inside(page, cache[0]);
    place = page + " * " + parameters_.text(strides[0]) + " + " + slot + " % " + parameters_.dim(cache[2]);
  }
  const std::vector<AddressTerm> terms = address_of({map[0], map[1], map[3]}, {rows[0], rows[1], rows[3]},
                                                    {pages ? Extent(0) : strides[0], strides[1], strides[3]});
  print_store(parameters_.result(output), code.printer(fresh), terms,
              place + " * " + parameters_.text(strides[2]), strides[2].value(), code);
  if (pages) text_.close();
  text_.close();
}

void TailPrinter::print_store(const std::string& pointer, const std::string& value,
                              const std::vector<AddressTerm>& terms, const std::string& extra,
                              int64_t extra_alignment, Code& code) {
  const AddressTerm* along = run_term(terms);
  std::string address = code.scope.address(terms);
  if (!extra.empty()) address = address.empty() ? extra : extra + " + " + address;
  const std::string count = run_.count.empty() ? "" : ", " + run_.count, to = sum_of(pointer, address);
  if (!along) {  // one element of a row: one call of the row writes it
    text_.line("if (" + code.scope.col() + " == 0) store(" + to + ", Vec<float, 1>{" + value + "});");
  } else if (along->stride.value() != 1) {
    text_.line("store_strided(" + to + ", " + parameters_.text(along->stride) + ", " + value +
               (run_.count.empty() ? ", " + std::to_string(run_.elements) : count) + ");");
  } else {
    const int aligned = alignment_of(terms, along, extra_alignment, run_.elements);
    text_.line("store" + (aligned < run_.elements ? "<" + std::to_string(aligned) + ">" : std::string()) +
               "(" + to + ", " + value + count + ");");
  }
}

}  // namespace tenon
