// kernel_parameters.cpp: declarations and arguments of a kernel.
#include "codegen/kernel_parameters.h"

#include "codegen/expression_printer.h"

namespace tenon {

std::string KernelParameters::declare(std::string type, llvm::StringRef name, KernelArgument argument) {
  declarations_.push_back({std::move(type), names_.fresh(name)});
  arguments.push_back(argument);
  return declarations_.back().name;
}

std::string KernelParameters::pointer(const Value* value, llvm::StringRef name, bool written) {
  if (auto found = pointers_.find(value); found != pointers_.end()) return found->second;
  KernelArgument argument{KernelArgument::kOperand, 0, 0};
  if (value->node()->op() == Op::kParameter) {
    argument.index = static_cast<int>(value->node()->attributes.integer("index"));
  } else {
    argument.kind = KernelArgument::kPacked;
    argument.index = static_cast<int>(packed.size());
    packed.push_back(value);
  }
  const std::string type = ((written ? "" : "const ") + storage_type(value->type().dtype) + "*").str();
  return pointers_[value] = declare(type, name, argument);
}

std::string KernelParameters::operand(const Value* value, llvm::StringRef name) {
  return pointer(value, name, false);
}
std::string KernelParameters::written(const Value* value, llvm::StringRef name) {
  return pointer(value, name, true);
}

std::string KernelParameters::result(int index, llvm::StringRef name, DType type) {
  return declare((storage_type(type) + "*").str(), name, {KernelArgument::kResult, index, 0});
}

std::string KernelParameters::scratch(KernelArgument::Kind kind, llvm::StringRef name, DType type) {
  return declare((storage_type(type) + "*").str(), name, {kind, 0, 0});
}

std::string KernelParameters::number(const Dim& d) {
  if (!d.dynamic()) return std::to_string(d.extent());
  auto [entry, is_new] = numbers_.try_emplace(d.text());
  if (is_new)
    entry->second =
        declare("Index", d.text(), {wide_ ? KernelArgument::kInt64 : KernelArgument::kInt32, 0, d.extent()});
  return entry->second;
}

std::string KernelParameters::signature() const {
  std::string text;
  for (const Declaration& d : declarations_) text += (text.empty() ? "" : ", ") + d.type + " " + d.name;
  return text;
}

std::string KernelParameters::name_list() const {
  std::string text;
  for (const Declaration& d : declarations_) text += (text.empty() ? "" : ", ") + d.name;
  return text;
}

}  // namespace tenon
