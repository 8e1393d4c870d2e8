// attributes.cpp: look-up and text of a node's attributes.
#include "ir/attributes.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace tenon {
namespace {

template <class T>
const T* get(const Attributes& attributes, llvm::StringRef name) {
  const Attribute* found = attributes.find(name);
  return found ? std::get_if<T>(found) : nullptr;
}

struct ToText {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(const Dim& value) const { return value.text(); }
  std::string operator()(double value) const { return text_of(value); }
  std::string operator()(const std::string& value) const { return "\"" + value + "\""; }
  std::string operator()(const Shape& value) const { return text_of(llvm::ArrayRef<Dim>(value)); }
  std::string operator()(const std::vector<double>& values) const {
    std::string text = "[";
    for (double value : values) text += (text.size() > 1 ? ", " : "") + text_of(value);
    return text + "]";
  }
};

}  // namespace

Attributes::Attributes(std::initializer_list<Entry> entries) {
  for (const Entry& entry : entries) set(entry.first, entry.second);
}

void Attributes::set(llvm::StringRef name, Attribute value) {
  if (const bool* flag = std::get_if<bool>(&value); flag && !*flag) return erase(name);
  auto at = std::lower_bound(entries_.begin(), entries_.end(), name,
                             [](const Entry& e, llvm::StringRef n) { return e.first < n; });
  if (at != entries_.end() && at->first == name)
    at->second = std::move(value);
  else
    entries_.insert(at, {name, std::move(value)});
}

void Attributes::erase(llvm::StringRef name) {
  entries_.erase(
      std::remove_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.first == name; }),
      entries_.end());
}

const Attribute* Attributes::find(llvm::StringRef name) const {
  for (const Entry& entry : entries_)
    if (entry.first == name) return &entry.second;
  return nullptr;
}

bool Attributes::flag(llvm::StringRef name) const {
  const bool* value = get<bool>(*this, name);
  return value && *value;
}
Dim Attributes::dim(llvm::StringRef name, Dim missing) const {
  const Dim* value = get<Dim>(*this, name);
  return value ? *value : missing;
}
int64_t Attributes::integer(llvm::StringRef name, int64_t missing) const {
  return dim(name, missing).extent();
}
double Attributes::number(llvm::StringRef name, double missing) const {
  if (const double* value = get<double>(*this, name)) return *value;
  const Dim* value = get<Dim>(*this, name);
  return value ? static_cast<double>(value->extent()) : missing;
}
llvm::StringRef Attributes::string(llvm::StringRef name) const {
  const std::string* value = get<std::string>(*this, name);
  return value ? llvm::StringRef(*value) : llvm::StringRef();
}
llvm::ArrayRef<Dim> Attributes::dims(llvm::StringRef name) const {
  const Shape* value = get<Shape>(*this, name);
  return value ? llvm::ArrayRef<Dim>(*value) : llvm::ArrayRef<Dim>();
}
Extents Attributes::integers(llvm::StringRef name) const { return extents_of(dims(name)); }
llvm::ArrayRef<double> Attributes::numbers(llvm::StringRef name) const {
  const std::vector<double>* value = get<std::vector<double>>(*this, name);
  return value ? llvm::ArrayRef<double>(*value) : llvm::ArrayRef<double>();
}

std::string Attributes::text() const {
  if (entries_.empty()) return "";
  std::string text = "{";
  for (const Entry& entry : entries_)
    text += (text.size() > 1 ? ", " : "") + entry.first.str() + " = " + std::visit(ToText(), entry.second);
  return text + "}";
}

std::string text_of(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[32];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  std::string text(buffer, end);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

}  // namespace tenon
