// toml_document.h: a TOML file as a tree in the order of the file, with the place of every key and value.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ir/source_text.h"

namespace tenon {

/// A table, an array or a value. Children are a table's entries or an array's elements.
struct TomlNode {
  enum class Kind { kTable, kArray, kString, kInteger, kFloat, kBool, kOther };
  Kind kind = Kind::kTable;
  std::string key;  ///< of a table's entry
  size_t key_begin = 0, key_end = 0;
  size_t begin = 0, end = 0;  ///< bytes of the value in the file
  int64_t integer = 0;
  double real = 0;  ///< of integers too
  bool boolean = false;
  std::vector<TomlNode> children;

  const TomlNode* find(llvm::StringRef name) const;
};

/// "a table", "an integer", ...: for messages.
llvm::StringRef name_of(TomlNode::Kind kind);

struct TomlDocument {
  std::shared_ptr<const LineTable> lines;
  TomlNode root;

  Location at(const TomlNode& node) const { return lines->at(node.begin, node.end); }
  Location key_at(const TomlNode& node) const { return lines->at(node.key_begin, node.key_end); }
  SourceText text(const TomlNode& node) const { return SourceText(lines, node.begin); }
};

/// Throws Error with the one place where the text is no TOML, or nests deeper than any model needs.
TomlDocument read_toml(std::shared_ptr<const SourceFile> file);

}  // namespace tenon
