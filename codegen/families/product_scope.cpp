// product_scope.cpp: parameters, extents and digits as text.
#include "codegen/families/product_scope.h"

#include <algorithm>

#include "codegen/expression_printer.h"

namespace tenon {

std::string ProductParameters::use(const std::string& key, llvm::StringRef type, KernelArgument argument,
                                   llvm::function_ref<std::string()> name) {
  auto [entry, is_new] = index_.try_emplace(key, parameters_.size());
  if (is_new) parameters_.push_back({type.str(), name(), argument});
  const Parameter& parameter = parameters_[entry->second];
  const bool listed = llvm::any_of(used_, [&](const Parameter& p) { return p.name == parameter.name; });
  if (!listed) used_.push_back(parameter);
  return parameter.name;
}

std::string ProductParameters::pointer(const Value* base) {
  KernelArgument argument;
  if (base->node()->op() == Op::kParameter) {
    argument.index = static_cast<int>(base->node()->attributes.integer("index"));
  } else {
    argument.kind = KernelArgument::kPacked;
    argument.index = static_cast<int>(llvm::find(packed_, base) - packed_.begin());
    if (argument.index == static_cast<int>(packed_.size())) packed_.push_back(base);
  }
  const std::string key =
      (argument.kind == KernelArgument::kPacked ? "packed " : "operand ") + std::to_string(argument.index);
  const std::string type = ("const " + storage_type(base->type().dtype) + "*").str();
  return use(key, type, argument, [&] { return names_(base); });
}

std::string ProductParameters::result(int output) {
  const Graph::Output& what = body_.outputs()[output];
  KernelArgument argument;
  argument.kind = KernelArgument::kResult;
  argument.index = output;
  return use("result " + std::to_string(output), (storage_type(what.value->type().dtype) + "*").str(),
             argument, [&] { return names_.fresh(names_(what.value) + "_out"); });
}

std::string ProductParameters::dim(const Dim& dim) {
  if (!dim.dynamic()) return std::to_string(dim.extent());
  KernelArgument argument;
  argument.kind = dim.extent() < (int64_t{1} << 31) ? KernelArgument::kInt32 : KernelArgument::kInt64;
  argument.value = dim.extent();
  return use("dim " + dim.symbol().str(), argument.kind == KernelArgument::kInt32 ? "int" : "i64", argument,
             [&] { return names_.fresh(dim.symbol()); });
}

std::string ProductParameters::text(const Extent& extent) {
  std::string text = extent.number != 1 || extent.dynamic.empty() ? std::to_string(extent.number) : "";
  for (const Dim& factor : extent.dynamic) text += (text.empty() ? "" : " * ") + dim(factor);
  return text;
}

void ProductParameters::workspace() {
  KernelArgument partials, tickets;
  partials.kind = KernelArgument::kWorkspace;
  tickets.kind = KernelArgument::kCounters;
  use("partials", "float*", partials, [&] { return names_.fresh("partials"); });
  use("tickets", "int*", tickets, [&] { return names_.fresh("tickets"); });
}

std::string ProductParameters::local(llvm::StringRef name) {
  if (llvm::none_of(used_, [&](const Parameter& p) { return p.name == name; }))
    used_.push_back({"int", name.str(), {}});
  return name.str();
}

std::vector<ProductParameters::Parameter> ProductParameters::in_order() const {
  const auto group = [](const Parameter& p) {
    switch (p.argument.kind) {
      case KernelArgument::kOperand:
      case KernelArgument::kPacked: return 0;
      case KernelArgument::kResult: return 1;
      case KernelArgument::kInt32:
      case KernelArgument::kInt64: return 2;
      default: return 3;
    }
  };
  std::vector<Parameter> sorted = parameters_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const Parameter& a, const Parameter& b) { return group(a) < group(b); });
  return sorted;
}

std::string IndexScope::digit(const Digit& digit) {
  static constexpr llvm::StringLiteral kNames[] = {"batch", "row", "col"};
  const int which = static_cast<int>(digit.coordinate);
  if (digit.coordinate == Coordinate::kBatch) parameters_->local("batch");
  const std::string& coordinate = coordinates_[which];
  const bool inner = digit.weight.value() == 1;
  if (inner && digit.leading) return coordinate;
  const std::string weight = parameters_->text(digit.weight),
                    extent = digit.leading ? "" : parameters_->dim(digit.extent);
  std::string text = coordinate;
  if (!inner)
    text +=
        " / " +
        (digit.weight.dynamic.empty() || weight.find(' ') == std::string::npos ? weight : "(" + weight + ")");
  if (!digit.leading) text += " % " + extent;
  std::string& name = named_[text];
  if (name.empty()) {
    name = parameters_->names().fresh((kNames[which] + (digit.leading ? "_outer"
                                                        : inner       ? "_inner"
                                                                      : "_middle"))
                                          .str());
    text_->line("const int " + name + " = " + text + ";");
  }
  return name;
}

std::string IndexScope::address(llvm::ArrayRef<AddressTerm> terms, const Extent& offset) {
  std::string text = offset.value() == 0 ? "" : parameters_->text(offset);
  for (const AddressTerm& term : terms) {
    if (term.stride.value() == 0) continue;
    const std::string index = digit(term.digit);
    const std::string stride = parameters_->text(term.stride);
    text += text.empty() ? "" : " + ";
    text += stride == "1" ? index : "i64(" + index + ") * " + stride;
  }
  return text;
}

IndexScope IndexScope::with_col(std::string col) const {
  IndexScope scope = *this;
  scope.coordinates_[2] = std::move(col);
  for (auto entry = scope.named_.begin(); entry != scope.named_.end();)
    entry = llvm::StringRef(entry->first).startswith(coordinates_[2]) ? scope.named_.erase(entry)
                                                                      : std::next(entry);
  return scope;
}

}  // namespace tenon
