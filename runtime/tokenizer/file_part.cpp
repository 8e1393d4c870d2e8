// file_part.cpp: typed access with a place for every complaint.
#include "runtime/tokenizer/file_part.h"

#include <filesystem>

#include "ir/diagnostics.h"
#include "llvm/Support/MemoryBuffer.h"
#include "runtime/tokenizer/unicode.h"

namespace tenon::tokenizer {

json::Value parse_json(llvm::StringRef text, const std::string& name) {
  try {
    return json::parse(text);
  } catch (const Error& error) {
    throw Error(name + ": " + error.diagnostics()[0].message);
  }
}

json::Value read_json_file(const std::string& path) {
  constexpr uint64_t kMaxBytes = 64 << 20;
  std::error_code problem;
  const uint64_t bytes = std::filesystem::file_size(path, problem);
  if (problem) throw Error(path + ": " + problem.message());
  if (bytes > kMaxBytes) throw Error(path + ": " + std::to_string(bytes) + " bytes, and 64 MB are allowed");
  const auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) throw Error(path + ": " + buffer.getError().message());
  return parse_json((*buffer)->getBuffer(), path);
}

std::string shown(llvm::StringRef text) {
  constexpr size_t kMax = 80;
  const llvm::StringRef start = text.take_front(kMax);
  return "'" + start.take_front(first_no_utf8(start)).str() + (text.size() > kMax ? "..'" : "'");
}

void FilePart::fail(const std::string& why, const std::string& hint) const {
  throw Error(place_ + ": " + why, {}, hint);
}

FilePart FilePart::inner(const json::Value& value, const std::string& step) const {
  FilePart part(value, place_ + (whole_ ? ": " + (step[0] == '.' ? step.substr(1) : step) : step));
  part.whole_ = false;
  return part;
}

FilePart FilePart::operator[](const std::string& key) const { return inner((*value_)[key], "." + key); }

const std::string& FilePart::string() const {
  if (const std::string* text = value_->string()) return *text;
  fail("a text expected");
}

int64_t FilePart::integer() const {
  if (const auto number = value_->integer()) return *number;
  fail("an integer expected");
}

const json::Array& FilePart::array() const {
  if (const json::Array* values = value_->array()) return *values;
  fail("an array expected");
}

const json::Object& FilePart::object() const {
  if (const json::Object* members = value_->object()) return *members;
  fail("an object expected");
}

std::vector<FilePart> FilePart::elements() const {
  std::vector<FilePart> parts;
  for (const json::Value& value : array())
    parts.push_back(inner(value, "[" + std::to_string(parts.size()) + "]"));
  return parts;
}

bool FilePart::flag(bool otherwise) const {
  if (!given()) return otherwise;
  if (const bool* set = std::get_if<bool>(&value_->held)) return *set;
  fail("true or false expected");
}

}  // namespace tenon::tokenizer
