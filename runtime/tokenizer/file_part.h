// file_part.h: a value within a JSON file that knows its place, so that whatever is wrong with it says where.
#pragma once
#include <string>
#include <vector>

#include "ir/json.h"

namespace tenon::tokenizer {

class FilePart {
 public:
  /// `place` is the file's name at first, then "FILE: model.vocab".
  FilePart(const json::Value& value, std::string place) : value_(&value), place_(std::move(place)) {}

  [[noreturn]] void fail(const std::string& why, const std::string& hint = {}) const;

  bool given() const { return !std::holds_alternative<std::nullptr_t>(value_->held); }
  const json::Value& value() const { return *value_; }
  /// The member of that key; one that is not given() where there is none.
  FilePart operator[](const std::string& key) const;

  // The value as that type; each throws Error where it is another.
  const std::string& string() const;
  int64_t integer() const;
  const json::Array& array() const;
  const json::Object& object() const;
  std::vector<FilePart> elements() const;
  /// `otherwise` where it is not given.
  bool flag(bool otherwise) const;
  std::string string_or(const std::string& otherwise) const { return given() ? string() : otherwise; }

 private:
  FilePart inner(const json::Value& value, const std::string& step) const;
  const json::Value* value_;
  std::string place_;
  bool whole_ = true;  // `place_` names the file alone
};

/// The document that `text` holds; the Error of text that is no JSON begins with `name`.
json::Value parse_json(llvm::StringRef text, const std::string& name);
/// The same of a file; throws Error too where it cannot be read or is larger than 64 MB.
json::Value read_json_file(const std::string& path);

/// A word of the file, short enough for a message.
std::string shown(llvm::StringRef text);

}  // namespace tenon::tokenizer
