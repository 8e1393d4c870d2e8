// toml_document.cpp: the only place that knows the TOML library, which sorts its tables: the order of the
// file is restored from positions.
#include "ir/toml_document.h"

#include <algorithm>
#include <unordered_map>

#include "ir/diagnostics.h"
#include "ir/toml_library.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace tenon {
namespace {

constexpr int kMaxKeyParts = 16;

/// The library counts columns in code points; lines that have others than ASCII are measured once.
class Columns {
 public:
  explicit Columns(const LineTable& lines) : lines_(lines) {}
  size_t offset(const toml::source_position& at) {
    if (at.line == 0 || at.line > lines_.line_count()) return lines_.file().text.size();
    size_t start = lines_.start(at.line), column = at.column - (at.column > 0);
    llvm::StringRef text = lines_.text(at.line);
    auto [slot, is_new] = starts_.try_emplace(at.line);
    if (is_new && llvm::any_of(text, [](char c) { return c < 0; }))
      slot->second = code_points(text, start == 0);
    return start + (slot->second.empty() ? std::min(column, text.size())
                                         : slot->second[std::min(column, slot->second.size() - 1)]);
  }

 private:
  static std::vector<uint32_t> code_points(llvm::StringRef text, bool first_line) {
    size_t i = first_line && text.startswith("\xef\xbb\xbf") ? 3 : 0;  // a byte order mark is no column
    std::vector<uint32_t> starts;
    for (; i < text.size(); ++i)
      if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) starts.push_back(static_cast<uint32_t>(i));
    starts.push_back(static_cast<uint32_t>(text.size()));
    return starts;
  }

  const LineTable& lines_;
  std::unordered_map<size_t, std::vector<uint32_t>> starts_;
};

struct Converter {
  Columns columns;

  size_t offset(const toml::source_position& at) { return columns.offset(at); }

  void value(const toml::node& from, TomlNode& to) {
    using Kind = TomlNode::Kind;
    to.begin = offset(from.source().begin);
    to.end = offset(from.source().end);
    if (const toml::table* table = from.as_table()) {
      to.kind = Kind::kTable;
      entries(*table, to);
    } else if (const toml::array* array = from.as_array()) {
      to.kind = Kind::kArray;
      to.children.resize(array->size());
      for (size_t i = 0; i < array->size(); ++i) value((*array)[i], to.children[i]);
    } else if (from.is_string()) {
      to.kind = Kind::kString;
    } else if (const auto* integer = from.as_integer()) {
      to.kind = Kind::kInteger;
      to.integer = integer->get();
      to.real = static_cast<double>(to.integer);
    } else if (const auto* real = from.as_floating_point()) {
      to.kind = Kind::kFloat;
      to.real = real->get();
    } else if (const auto* boolean = from.as_boolean()) {
      to.kind = Kind::kBool;
      to.boolean = boolean->get();
    } else {
      to.kind = Kind::kOther;
    }
  }

  void entries(const toml::table& from, TomlNode& to) {
    to.children.reserve(from.size());
    for (const auto& [key, node] : from) {
      TomlNode& child = to.children.emplace_back();
      child.key = std::string(key.str());
      child.key_begin = offset(key.source().begin);
      child.key_end = offset(key.source().end);
      value(node, child);
    }
    std::sort(to.children.begin(), to.children.end(),
              [](const TomlNode& a, const TomlNode& b) { return a.key_begin < b.key_begin; });
  }
};

// Skips the comment or string that begins at `i`; returns its last byte, or `i` where neither begins.
size_t skip_opaque(llvm::StringRef text, size_t i) {
  if (text[i] == '#') return std::min(text.find('\n', i), text.size()) - 1;
  if (text[i] != '"' && text[i] != '\'') return i;
  std::string triple(3, text[i]);
  if (text.substr(i).startswith(triple)) {
    size_t end = text.find(triple, i + 3);
    return end == llvm::StringRef::npos ? text.size() - 1 : end + 2;
  }
  for (size_t j = i + 1; j < text.size() && text[j] != '\n'; ++j) {
    if (text[j] == '\\' && text[i] == '"')
      ++j;
    else if (text[j] == text[i])
      return j;
  }
  return i;
}

// Each part of a dotted key nests a table, and the library bounds only nested values.
void check_dotted_keys(const LineTable& lines) {
  llvm::StringRef text = lines.file().text;
  int dots = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    i = skip_opaque(text, i);
    if (text[i] == '.' && ++dots == kMaxKeyParts)
      throw Error("a key of more than " + std::to_string(kMaxKeyParts) + " parts", lines.at(i, i + 1));
    if (llvm::StringRef(",=[]{}\n").contains(text[i])) dots = 0;
  }
}

// Where a line begins with '[' and no name can follow: what the library stumbles over.
size_t nameless_header(llvm::StringRef text) {
  for (size_t at = 0; at < text.size();
       at = text.find('\n', at) == llvm::StringRef::npos ? text.size() : text.find('\n', at) + 1) {
    llvm::StringRef line = text.substr(at).ltrim(" \t");
    if (!line.consume_front("[")) continue;
    line.consume_front("[");
    line = line.ltrim(" \t");
    bool name = !line.empty() && (llvm::isAlnum(line[0]) || llvm::StringRef("_-\"']").contains(line[0]));
    if (!name) return line.data() - text.data();
  }
  return 0;
}

}  // namespace

const TomlNode* TomlNode::find(llvm::StringRef name) const {
  for (const TomlNode& child : children)
    if (child.key == name) return &child;
  return nullptr;
}

llvm::StringRef name_of(TomlNode::Kind kind) {
  switch (kind) {
    case TomlNode::Kind::kTable: return "a table";
    case TomlNode::Kind::kArray: return "an array";
    case TomlNode::Kind::kString: return "a string";
    case TomlNode::Kind::kInteger: return "an integer";
    case TomlNode::Kind::kFloat: return "a number with a point";
    case TomlNode::Kind::kBool: return "a bool";
    default: return "a date or time";
  }
}

TomlDocument read_toml(std::shared_ptr<const SourceFile> file) {
  TomlDocument document{std::make_shared<LineTable>(file), {}};
  check_dotted_keys(*document.lines);
  try {
    toml::table table = toml::parse(std::string_view(file->text));
    Converter{Columns(*document.lines)}.entries(table, document.root);
  } catch (const toml::parse_error& error) {
    size_t at = Columns(*document.lines).offset(error.source().begin);
    throw Error("not TOML: " + std::string(error.description()), document.lines->at(at, at + 1));
  } catch (const TomlAssertion&) {
    size_t at = nameless_header(file->text);
    throw Error("not TOML: a table's name is expected", document.lines->at(at, at + 1));
  }
  return document;
}

}  // namespace tenon
