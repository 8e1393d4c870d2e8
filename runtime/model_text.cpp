// Writing a model's TOML.
#include "runtime/model_text.h"

#include "llvm/ADT/StringExtras.h"

namespace tenon {
namespace {

// A TOML basic string. Bytes that TOML forbids in one are escaped, so that the reader and not TOML complains.
std::string quoted(llvm::StringRef text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      (result += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      result += "\\u00" + llvm::toHex(llvm::StringRef(&c, 1));
    else
      result += c;
  }
  return result + "\"";
}

std::string quoted_list(const std::vector<std::string>& entries, const char* separator) {
  std::vector<std::string> words;
  for (const std::string& entry : entries) words.push_back(quoted(entry));
  return llvm::join(words, separator);
}

// "B, T, 4*D" as a TOML list.
std::string shape_list(llvm::StringRef shape) {
  std::vector<std::string> extents;
  llvm::SmallVector<llvm::StringRef, 4> parts;
  shape.split(parts, ',');
  for (const llvm::StringRef part : parts)
    if (parts.size() > 1 || !part.trim().empty()) extents.push_back(part.trim().str());
  return "[" + quoted_list(extents, ", ") + "]";
}

}  // namespace

void ModelText::dim(const std::string& name, int64_t lower, int64_t upper) {
  const std::string value =
      lower == upper ? std::to_string(lower) : quoted(std::to_string(lower) + ".." + std::to_string(upper));
  rows_.push_back({"dims", quoted(name) + " = " + value});
}

void ModelText::declare(const std::string& section, const std::string& name, const std::string& shape,
                        const std::string& dtype) {
  const std::string type = dtype.empty() ? "" : ", dtype = " + quoted(dtype);
  rows_.push_back({section, quoted(name) + " = { shape = " + shape_list(shape) + type + " }"});
}

std::string ModelText::toml() const {
  std::string text = "tenon = 1\n[model]\nname = " + quoted(name_) + "\ndtype = " + quoted(dtype_) + "\n";
  for (const char* section : {"dims", "inputs", "weights", "state"}) {
    bool begun = false;
    for (const Row& row : rows_) {
      if (row.section != section) continue;
      if (!begun) text += std::string("[") + section + "]\n";
      begun = true;
      text += row.text + "\n";
    }
  }
  text += "[graph]\nbody = [\n";
  for (const std::string& equation : equations_) text += "  " + quoted(equation) + ",\n";
  return text + "]\noutputs = [" + quoted_list(outputs_, ", ") + "]\n";
}

}  // namespace tenon
